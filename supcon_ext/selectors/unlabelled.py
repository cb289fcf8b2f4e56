"""Samples of no known class: selectors judge labels, and never see them.

Only synthetic samples can have none. They come last in a training set, so that the places of all
others are the same with and without them.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from supcon_ext.selectors.base import SampleBank, Selection


def labelled_part(bank: SampleBank) -> SampleBank:
    """The bank up to the first sample without a label; the bank itself where all have one."""
    unknown = bank.label < 0
    if not bool(unknown.any()):
        return bank
    return bank.take(torch.arange(int(unknown.long().argmax())))


def over_all(selection: Selection, bank: SampleBank) -> Selection:
    """A selection of the labelled part as one of the whole bank: the others keep having no label.

    They are trusted, which says nothing of a class; their score is the least, their posterior 0.
    """
    missing = len(bank) - len(selection.label)
    if not missing:
        return selection
    score, posterior = selection.score, selection.posterior
    return replace(
        selection,
        trust=_longer(selection.trust, missing, 1),
        label=_longer(selection.label, missing, -1),
        role=_longer(selection.role, missing, 0),
        score=None if score is None else _longer(score, missing, float(score.min())),
        posterior=None if posterior is None else _longer(posterior, missing, 0),
    )


def first_of(selection: Selection, count: int) -> Selection:
    """What is believed of the first so many samples."""
    score, posterior = selection.score, selection.posterior
    return replace(
        selection,
        trust=selection.trust[:count],
        label=selection.label[:count],
        role=selection.role[:count],
        score=None if score is None else score[:count],
        posterior=None if posterior is None else posterior[:count],
    )


def _longer(column: Tensor, missing: int, value: float) -> Tensor:
    return torch.cat([column, column.new_full((missing, *column.shape[1:]), value)])

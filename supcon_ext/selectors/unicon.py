"""UNICON's uniform selection: as many samples of each class as the mean divergence lets through."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.selectors.base import Role, SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.jsd import divergence
from supcon_ext.selectors.per_class import constant, rank_in_class

logger = logging.getLogger(__name__)

JUST_TRUSTED = 0.501


def cut_off(divergence_N: Tensor, d_mu: float = 0.7, tau: float = 5.0) -> float:
    """The mean divergence; where it exceeds ``d_mu``, less (mean - smallest) / tau.

    Args:
        divergence_N: ``(N,)`` in [0, 1], in bits.
        d_mu: Mean above which most labels are taken to be wrong.
        tau: The larger, the less is taken off.
    """
    mean, least = float(divergence_N.mean()), float(divergence_N.min())
    return mean - (mean - least) / tau if mean > d_mu else mean


@selector("unicon")
class Unicon(SampleSelector):
    """Keeps the same number of each class, those nearest to the prediction (Karim et al. 2022).

    The measure d is that of ``jsd``, in bits. The share R of samples below the cut-off (the mean of
    d, less where it is high) sets the number: each class keeps its R N / C smallest, rounded down,
    at least one; a class with fewer keeps all. The published code measures in nats, where a mean
    above 0.7 cannot occur, and fills the places that a class leaves empty with sample 0.

    A kept sample is trusted by 1 - d, or wholly where d < 0.5. Pair rules believe above 0.5, so a
    kept sample of d >= 0.5, there to fill its class, is raised to 0.501. The others have trust 0
    and become unlabelled: only their own views are positives. The score is 1 - d.

    Args:
        d_mu: Mean above which the cut-off is lowered.
        tau: Divides how far it is lowered.
    """

    requires = frozenset({"logits", "peer_logits"})

    def __init__(
        self,
        d_mu: Annotated[float, Field(ge=0, le=1)] = 0.7,
        tau: Annotated[float, Field(ge=1)] = 5.0,
    ) -> None:
        self.d_mu = d_mu
        self.tau = tau

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Find the cut-off, and the nearest of each class."""
        found = divergence(bank)
        if constant(found):
            return Selection.of(bank.label, torch.ones(len(bank)), score=1 - found)
        limit = cut_off(found, self.d_mu, self.tau)
        below = int((found < limit).sum())
        number = below // bank.classes
        if number < 1:
            logger.warning("fewer samples than classes are below the cut-off: keeping one of each")
            number = 1
        kept = rank_in_class(-found, bank.label) < number
        weight = torch.where(found < 0.5, 1.0, 1 - found).clamp(min=JUST_TRUSTED)
        stats = {
            "kept": float(kept.sum()),
            "cut_off": limit,
            "share_below": below / len(bank),
            "per_class": float(number),
        }
        made = Selection.of(bank.label, torch.where(kept, weight, 0.0), stats, 1 - found)
        role = torch.where(kept, int(Role.LABELLED), int(Role.UNLABELLED)).to(torch.int8)
        return replace(made, role=role)

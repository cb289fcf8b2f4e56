"""Samples, rows of a batch and a bank, for checks: three classes, two unknown labels, two views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.base import SampleBank

SAMPLES, CLASSES, DIM, FEATURES = 24, 3, 8, 6
NAMES = ("features", "z", "logits", "loss", "peer_logits", "truth")


def rows(columns: Mapping[str, Tensor] | None = None, seed: int = 0) -> Rows:
    """Two views of each of 24 samples; the last two have no label.

    Args:
        columns: ``(24, ...)`` further columns of the samples.
        seed: Of the embeddings.
    """
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(SAMPLES) % CLASSES
    label[-2:] = -1
    index = torch.arange(SAMPLES).repeat(2)
    center = functional.one_hot(label.clamp(min=0), DIM).float()
    z = center.repeat(2, 1) + 0.5 * torch.randn(2 * SAMPLES, DIM, generator=generator)
    trust = torch.rand(SAMPLES, generator=generator).repeat(2)
    return Rows.of(
        functional.normalize(z, dim=1),
        label.repeat(2),
        index=index,
        trust=trust,
        columns={name: column[index] for name, column in (columns or {}).items()},
    )


def tile(anchors: Rows, contrasts: Rows) -> PairTile:
    """One tile of all their pairs."""
    return PairTile(anchors, contrasts, anchors.z @ contrasts.z.T)


def bank(
    requires: frozenset[str], columns: Mapping[str, Tensor] | None = None, seed: int = 0
) -> SampleBank:
    """What a selector that requires so much is shown.

    Args:
        requires: Names of what is filled in; the rest is None.
        columns: ``(24, ...)`` further columns of the samples.
        seed: Of the embeddings.
    """
    views = rows(columns, seed).rows(slice(0, SAMPLES))
    label = torch.arange(SAMPLES) % CLASSES
    logits = 4 * functional.one_hot(label, CLASSES).float() + 2 * views.z[:, :CLASSES]
    known: dict[str, Any] = {
        "features": views.z[:, :FEATURES] + 0.1 * views.z[:, -FEATURES:],
        "z": views.z,
        "logits": logits,
        "loss": functional.cross_entropy(logits, label, reduction="none"),
        "peer_logits": logits.flip(1) / 2 + logits,
        "truth": torch.where(torch.arange(SAMPLES) % 5 == 0, (label + 1) % CLASSES, label),
    }
    return SampleBank(
        index=torch.arange(SAMPLES),
        label=label,
        classes=CLASSES,
        columns=dict(columns or {}),
        **{name: value for name, value in known.items() if name in requires},
    )

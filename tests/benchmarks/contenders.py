"""The losses that are timed side by side, each a function of features and labels.

Every contender normalises the features itself and computes the mean of the ``out`` form over
anchors, temperature 0.1, so that all but the weighted ones give one number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows, SupConLoss, WeightPlan
from supcon_ext.losses.rows import PairWeights, WeightingStep

TEMPERATURE = 0.1
LossFunction = Callable[[Tensor, Tensor], Tensor]


def plain_formula(features: Tensor, labels: Tensor) -> Tensor:
    """SupContrast's formula with whole matrices: masks, row maximum taken off, then exp and log."""
    samples, views = features.shape[:2]
    z = functional.normalize(features, dim=2).transpose(0, 1).reshape(samples * views, -1)
    same = (labels[:, None] == labels[None, :]).float().repeat(views, views)
    others = torch.ones_like(same).fill_diagonal_(0)
    positives = same * others
    logits = z @ z.T / TEMPERATURE
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    total = (logits.exp() * others).sum(1, keepdim=True)
    log_share = logits - total.log()
    count = positives.sum(1)
    count = torch.where(count > 0, count, torch.ones_like(count))
    return -((positives * log_share).sum(1) / count).mean()


def metric_learning() -> LossFunction:
    """pytorch-metric-learning's SupConLoss, which wants one row a view.

    Raises:
        ModuleNotFoundError: The package is not installed.
    """
    try:
        from pytorch_metric_learning.losses import (  # type: ignore[import-untyped]
            SupConLoss as TheirLoss,
        )
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Expected package `pytorch-metric-learning` for the benchmark's comparison. "
            'Try: pip install "supcon-ext[test]"'
        ) from error
    theirs = TheirLoss(temperature=TEMPERATURE)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        views = features.shape[1]
        value: Tensor = theirs(features.transpose(0, 1).flatten(0, 1), labels.repeat(views))
        return value

    return loss


class SameLabelInPython:
    """A selector as a user writes it: asked tile by tile, without factors."""

    def targets(self, pairs: PairTile) -> Tensor:
        return pairs.same("label")


class ClassBalanced(PairWeights):
    """Columns weigh 1 / (their class's count), less the anchor itself in its own class (BCL)."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        count = torch.bincount(contrasts.label, minlength=self.classes).to(anchors.z.dtype)
        own = count[anchors.label]
        return WeightPlan(
            log_column=-count[contrasts.label].log(),
            log_same=(own / (own - 1)).log(),
        )


@dataclass(frozen=True)
class Contender:
    """One loss to be timed.

    Attributes:
        key: Its name in files and on the command line.
        title: Its name for people.
        make: Gives the loss function; imports what it needs.
        classes: Classes among the labels; None is the run's ``--classes``.
        pair_bytes: Estimated peak bytes for each pair of the matrix, 0 where none is held.
        weighting: The weights in its formula, for the check against the materialised formula.
    """

    key: str
    title: str
    make: Callable[[], LossFunction]
    classes: int | None = None
    pair_bytes: int = 0
    weighting: ClassBalanced | None = None

    def estimated_bytes(self, views: int, dim: int) -> int:
        """A guess at the peak memory, to skip what would not fit."""
        return self.pair_bytes * views**2 + 8 * 4 * views * dim + (64 << 20)


def _ours() -> LossFunction:
    return SupConLoss(temperature=TEMPERATURE)


def _custom_selector() -> LossFunction:
    return SupConLoss(temperature=TEMPERATURE, selector=SameLabelInPython())


def _balanced(classes: int) -> Contender:
    weighting = ClassBalanced(classes)
    return Contender(
        f"balanced_{classes}",
        f"SupConLoss, balanced, C = {classes:,}",
        lambda: SupConLoss(temperature=TEMPERATURE, weighting=weighting),
        classes=classes,
        weighting=weighting,
    )


BASE = "tiles"
CONTENDERS: dict[str, Contender] = {
    contender.key: contender
    for contender in (
        Contender("formula", "SupContrast's formula", lambda: plain_formula, pair_bytes=36),
        Contender("pml", "pytorch-metric-learning", metric_learning, pair_bytes=48),
        Contender(BASE, "SupConLoss", _ours),
        Contender("custom", "SupConLoss, Python selector", _custom_selector),
        _balanced(10),
        _balanced(8142),
    )
}

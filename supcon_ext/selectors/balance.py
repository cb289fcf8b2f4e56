"""Any selector, balanced over classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.losses.factors import Factors, factors_of
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import PositiveSelector, Role, SampleBank, Selection, selector
from supcon_ext.selectors.per_class import rank_in_class

logger = logging.getLogger(__name__)

PerClass = Literal["equal", "proportional", "threshold"]


def number_per_class(trusted: Tensor, size: Tensor, per_class: PerClass, fraction: float) -> Tensor:
    """How many samples each class keeps, at least one of a class that has any.

    Args:
        trusted: ``(C,)`` int64, how many of each class are trusted.
        size: ``(C,)`` int64, how many there are; classes of 0 do not count.
        per_class: See :class:`Balance`.
        fraction: Quantile over classes (linear, rounded down), in [0, 1].

    Returns:
        ``(C,)`` int64, at most ``size``.
    """
    number, present = trusted, size > 0
    if per_class == "equal":
        number = torch.quantile(trusted[present].double(), fraction).floor().long()
    elif per_class == "proportional":
        share = trusted[present].double() / size[present]
        number = (torch.quantile(share, fraction) * size + 1e-9).floor().long()
    return torch.minimum(number.clamp(min=1).expand_as(size), size)


@selector("balance")
class Balance(PositiveSelector):
    """Keeps the best of each class by another selector's score: as many, or the same share.

    Trusted samples (above 0.5) of the inner selector are counted by class; each class then keeps a
    number of samples, those of largest score, ties by index. Positives are the inner selector's,
    with this trust. A kept sample that the inner one does not trust has trust 1 and is labelled; a
    sample that is not kept has trust 0, and one that is dropped is never kept. An inner selector
    that says nothing is left alone.

    Args:
        inner: Whose scores are balanced.
        per_class: ``equal``: the same number of each class, the ``fraction``-quantile over classes
            of how many are trusted (Sel-CL; it discards the head of a long tail and keeps all of
            the tail). ``proportional``: the same share of each class, the quantile of the trusted
            shares. ``threshold``: a score threshold of its own for each class, at which it keeps as
            many as are trusted in it; this changes a decision only where that does not follow the
            score.
        fraction: The quantile; of no use to ``threshold``.
    """

    def __init__(
        self,
        inner: Annotated[PositiveSelector | str, Part("selector")] = "knn_agreement",
        per_class: PerClass = "equal",
        fraction: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        self.inner = selector.make(inner)
        self.per_class = per_class
        self.fraction = fraction
        self.requires = self.inner.requires
        self.provides = self.inner.provides

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Ask the inner selector and balance what it says."""
        made = ask(self.inner, bank, epoch)
        if made is None:
            return None
        trusted = made.trust > 0.5
        size = torch.bincount(made.label, minlength=bank.classes)
        agreed = torch.bincount(made.label[trusted], minlength=bank.classes)
        number = number_per_class(agreed, size, self.per_class, self.fraction)
        if not bool(trusted.any()):
            logger.warning("the inner selector trusts no sample: keeping one of each class")
        dropped = made.role == int(Role.DROPPED)
        ranking = made.ranking.masked_fill(dropped, -torch.inf)
        kept = (rank_in_class(ranking, made.label) < number[made.label]) & ~dropped
        trust = torch.where(kept, torch.where(trusted, made.trust, 1.0), 0.0)
        stats = {**made.stats, "kept": float(kept.sum()), "trusted_inside": float(trusted.sum())}
        role = made.role.masked_fill(kept, int(Role.LABELLED))
        return replace(made, trust=trust, role=role, score=made.ranking, stats=stats)

    def targets(self, pairs: PairTile) -> Tensor:
        """The inner selector's."""
        return self.inner.targets(pairs)

    def factors(self, views: Rows) -> Factors | None:
        """The inner selector's."""
        return factors_of(self.inner, views)

    def state_dict(self) -> dict[str, Any]:
        """The inner selector's."""
        return {"inner": self.inner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give the inner selector its state back."""
        self.inner.load_state_dict(state["inner"])

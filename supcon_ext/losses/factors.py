"""Targets told by vectors: what lets the loss find positives without asking pair by pair.

A selector whose targets follow from what is known of each view alone may give them in this form as
well (``factors``); the loss then needs no Python inside its loop. Both ways must agree;
``check_selector`` tests it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from supcon_ext.losses.rows import PairRule, PairTile, Rows


@dataclass(frozen=True, slots=True)
class Factors:
    """Vectors of N views from which every target of a pair follows.

        t_ia = [code_i = code_a] weight_a ([trusted_i and trusted_a] or [s_ia >= threshold_i])

    where s_ia is the cosine similarity. Without ``trusted`` the bracket is 1; without ``threshold``
    its second part is left out.

    Attributes:
        code: ``(N,)`` int64; equal codes are candidates. No value is special.
        weight: ``(N,)`` float >= 0, how much a contrast is a positive; None is 1.
        trusted: ``(N,)`` bool, or None.
        threshold: ``(N,)`` float, or None; only beside ``trusted``.
    """

    code: Tensor
    weight: Tensor | None = None
    trusted: Tensor | None = None
    threshold: Tensor | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and self.trusted is None:
            raise ValueError("Expected `trusted` beside `threshold`, but got none")

    def rows(self, rows: slice | Tensor) -> Factors:
        """Some of the views."""
        parts = (self.code, self.weight, self.trusted, self.threshold)
        return Factors(*(None if part is None else part[rows] for part in parts))  # type: ignore[arg-type]


@runtime_checkable
class FactoredRule(Protocol):
    """A pair rule that can also give its targets as factors."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` targets."""
        ...

    def factors(self, views: Rows) -> Factors | None:
        """The vectors of these views; None where the rule cannot, with its present settings."""
        ...


def factors_of(rule: PairRule, views: Rows) -> Factors | None:
    """The vectors that tell a rule's targets; None where it has none of its own.

    A subclass that overrides ``targets`` alone has inherited factors that tell other targets: they
    do not count.
    """
    bases = type(rule).__mro__
    told = next((k for k, base in enumerate(bases) if "factors" in vars(base)), len(bases))
    asked = next((k for k, base in enumerate(bases) if "targets" in vars(base)), len(bases))
    if not isinstance(rule, FactoredRule) or told > asked:
        return None
    return rule.factors(views)


def targets_of(anchors: Factors, contrasts: Factors, similarity_AK: Tensor) -> Tensor:
    """The ``(A, K)`` targets that factors stand for; pairs of a view with itself included."""
    same = anchors.code[:, None] == contrasts.code[None, :]
    if anchors.trusted is not None and contrasts.trusted is not None:
        agreed = anchors.trusted[:, None] & contrasts.trusted[None, :]
        if anchors.threshold is not None:
            agreed = agreed | (similarity_AK >= anchors.threshold[:, None])
        same = same & agreed
    if contrasts.weight is None:
        return same.to(similarity_AK.dtype)
    return same * contrasts.weight[None, :].to(similarity_AK.dtype)


def label_code(views: Rows) -> Tensor:
    """``(N,)`` int64: equal for equal labels; of unknown labels, equal for views of one sample."""
    known = views.label >= 0
    alone = torch.where(views.index >= 0, views.index, -2 - views.uid.abs())
    return torch.where(known, 2 * views.label, 2 * alone + 1)

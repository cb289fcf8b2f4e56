"""Asking a selector for its targets, and looking at the answer before the loss uses it."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor

from data_tools.border import check_array, check_type
from data_tools.registry import part_name
from supcon_ext.losses.factors import Factors, factors_of
from supcon_ext.losses.rows import PairRule, PairTile, Rows


def asked_targets(rule: PairRule, pairs: PairTile) -> Tensor:
    """``(A, K)`` targets of a tile, in the similarities' type.

    Raises:
        ValueError: The rule answered with something of another shape, or no tensor.
    """
    targets = rule.targets(pairs)
    shape, name = tuple(pairs.similarity_AK.shape), part_name("selector", rule)
    check_array(name, "targets", targets, shape)
    check_type(name, "targets", targets, Tensor, "torch.as_tensor(...)")
    return targets.to(pairs.similarity_AK.dtype)


def asked_neutral(rule: PairRule, pairs: PairTile) -> Tensor | None:
    """``(A, K)`` bool, pairs that a rule takes out of the denominator; None where it takes none.

    Raises:
        ValueError: The rule answered with something of another shape, or no tensor of truth values.
    """
    if not takes_out(rule):
        return None
    neutral = cast(Any, rule).neutral(pairs)
    shape, name = tuple(pairs.similarity_AK.shape), part_name("selector", rule)
    check_array(name, "neutral pairs", neutral, shape, ("bool",))
    return cast(Tensor, neutral)


def takes_out(rule: PairRule) -> bool:
    """Whether a rule takes pairs out of the denominator, by a method ``neutral``."""
    return bool(getattr(rule, "ignores", False))


def asked_factors(rule: PairRule, views: Rows) -> Factors | None:
    """The targets of N views as vectors; None where the rule has none.

    Raises:
        ValueError: The rule answered with something else, or vectors of another length.
    """
    made = factors_of(rule, views)
    if made is None:
        return None
    name = part_name("selector", rule)
    check_type(name, "factors", made, Factors)
    for field, kinds in (
        ("code", ("int",)),
        ("weight", ("float", "int", "bool")),
        ("trusted", ("bool",)),
        ("threshold", ("float",)),
    ):
        value = getattr(made, field)
        if value is not None or field == "code":
            check_array(name, f"`{field}` of factors", value, (len(views),), kinds)
    return made

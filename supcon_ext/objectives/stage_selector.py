"""The selector that a stage of a recipe will have, for checks before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supcon_ext.objectives.base import Term, term
from supcon_ext.selectors.base import PositiveSelector
from supcon_ext.selectors.base import selector as selectors

Problems = list[tuple[tuple[str, ...], str]]


def stage_selector(stage: Mapping[str, Any]) -> PositiveSelector | None:
    """The selector of the stage's first term that has one; None without such a term.

    Args:
        stage: A stage as a plain mapping with defaults.

    Raises:
        ValueError: The selector cannot be made; the recipe's other checks say why.
    """
    for item in stage["objective"]:
        for kind, params in item.items():
            own = getattr(term.get(kind).target, "selector_in_use", Term.selector_in_use)
            selects = own is not Term.selector_in_use
            if selects and params.get("selector") is not None:
                made: PositiveSelector = selectors.spec(params["selector"]).build()
                return made
    return None


def without_selector(stage: Mapping[str, Any], advice: str) -> Problems:
    """What is wrong where a term goes by the stage's selector, and no term has one."""
    try:
        found = stage_selector(stage)
    except ValueError:
        return []
    message = f"Expected a term with a selector in this stage, but got none. Try: - {advice}"
    return [] if found is not None else [((), message)]


def without_posterior(stage: Mapping[str, Any], key: str) -> Problems:
    """What is wrong where a term learns a posterior that the stage's selector does not give."""
    try:
        found = stage_selector(stage)
    except ValueError:
        return []
    if found is not None and "posterior" in found.provides:
        return []
    message = (
        f"Expected a selector that gives a posterior in this stage, but got "
        f"{'none' if found is None else type(found).__name__}. "
        "Try: - contrastive: {selector: rolt}"
    )
    return [((key,), message)]

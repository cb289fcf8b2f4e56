"""Checks between the parts of a recipe, each kept by the part that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supcon_ext.recipe.partial import UnknownValueError
from supcon_ext.recipe.reading import KeyPath
from supcon_ext.recipe.tree import places
from supcon_ext.recipe.wording import Finding


def cross_findings(resolved: Mapping[str, Any]) -> list[Finding]:
    """Ask every part that has a function ``problems`` what is wrong between it and the rest.

    ``problems(params, stage, recipe)`` is a static method of a part's class, or given to its
    decorator. It gets the part's own parameters, the stage that it stands in (empty
    outside of stages) and the whole recipe, all as plain mappings with defaults, and gives pairs of
    a key path below the part and a message. A check that asks for a value which the recipe gets
    wrong is left out; that value is reported by itself.

    Args:
        resolved: The recipe with all defaults, as far as it is right.
    """
    found = []
    for place in places(resolved):
        check = place.entry.problems if place.entry else None
        if check is None:
            continue
        try:
            stage = _stage(resolved, place.path)
            for below, message in check(place.given, stage, resolved):
                found.append(Finding((*place.path, *below), message))
        except UnknownValueError:
            continue
    return found


def _stage(resolved: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any]:
    if path[0] != "stages":
        return {}
    stage: Mapping[str, Any] = resolved["stages"][path[1]]
    return stage

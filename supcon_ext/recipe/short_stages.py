"""Stages that end before something in them has begun or ended: one line for each such key."""

from __future__ import annotations

from typing import Any

from supcon_ext.recipe.resolved import resolve
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.schema_walk import KnownMapping, places
from supcon_ext.stage_epochs import StageEpochs


def short_stages(recipe: Recipe) -> list[str]:
    """What stages are too short for, each with the key to set; it is done as it is written.

    Args:
        recipe: Checked.
    """
    resolved = resolve(recipe)
    return [
        line
        for place in places(resolved)
        if place.path[:1] == ("stages",) and len(place.path) > 2
        for line in _missed(place, resolved["stages"][place.path[1]])
    ]


def _missed(place: KnownMapping, stage: dict[str, Any]) -> list[str]:
    lines = []
    length = stage["epochs"]
    for key, field in place.model.model_fields.items():
        counted = next((mark for mark in field.metadata if isinstance(mark, StageEpochs)), None)
        value = place.given.get(key)
        if counted is None or not value or (counted.beside and not place.given[counted.beside]):
            continue
        values = value if isinstance(value, list) else [value]
        if all(counted.fits(each, length) for each in values):
            continue
        bound = "below" if counted.begins else "to at most"
        name = ".".join(map(str, ["stages", stage["name"], *_by_name(place.path[2:], stage), key]))
        lines.append(
            f"stage `{stage['name']}` has {length} epoch{'s' * (length > 1)}, so {counted.missed}. "
            f"To change that, set {name} (now {value}) {bound} {length}"
        )
    return lines


def _by_name(path: tuple[str | int, ...], stage: dict[str, Any]) -> list[str | int]:
    """A path as the command line takes it: a term that is there once goes by its name."""
    if path[0] != "objective":
        return list(path)
    names = [next(iter(term)) for term in stage["objective"]]
    return [step for step in path if step != path[1] or names.count(path[2]) > 1]

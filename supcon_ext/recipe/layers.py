"""Documents laid over each other: mappings merge, the rest is replaced."""

from __future__ import annotations

from typing import Any

from supcon_ext.recipe.origins import KeyPath
from supcon_ext.recipe.schema_walk import default_kind


def merge(below: Any, above: Any, path: KeyPath = ()) -> Any:
    """Lay a document over another; neither is changed, and each value keeps its origin.

    A part may be written ``name`` or ``{kind: name, ...}``. A mapping that names another kind than
    the one below it takes over nothing, for the parameters below it are the other kind's.

    Args:
        below: The lower one.
        above: The upper one, which wins.
        path: Where in a recipe both are.
    """
    if isinstance(below, str) and isinstance(above, dict):
        below = {"kind": below}
    elif isinstance(above, str) and isinstance(below, dict) and _is_part(below, path):
        above = {"kind": above}
    if not (isinstance(below, dict) and isinstance(above, dict)) or _differ(below, above, path):
        return above
    written = {key: key for key in below} | dict(zip(above, above, strict=True))
    return {
        written[key]: merge(below[key], above[key], (*path, key))
        if key in below and key in above
        else {**below, **above}[key]
        for key in written
    }


def _differ(below: dict[str, Any], above: dict[str, Any], path: KeyPath) -> bool:
    """Whether the upper mapping names another kind than the lower one is of."""
    kind = below.get("kind", default_kind(path))
    return bool(above.get("kind", kind) != kind)


def _is_part(value: dict[str, Any], path: KeyPath) -> bool:
    return "kind" in value or default_kind(path) is not None

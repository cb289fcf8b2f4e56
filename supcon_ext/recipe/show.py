"""The resolved recipe with the origin of every value."""

from __future__ import annotations

from typing import Any

from supcon_ext.recipe.layers import Layers, ValueOrigin
from supcon_ext.recipe.reading import KeyPath, read_text
from supcon_ext.recipe.resolved import to_yaml
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.validation_errors import locate

_WIDEST = 56


def annotated_yaml(recipe: Recipe, layers: Layers) -> str:
    """The resolved recipe as YAML; a comment behind each value says where it comes from.

    Args:
        recipe: The checked recipe.
        layers: The document that it was made from.
    """
    text = to_yaml(recipe)
    document = read_text(text)
    lines = text.splitlines()
    leaves = {
        document.lines[path] - 1: path
        for path in document.lines
        if not isinstance(value := _value(document.value, path), (dict, list)) or not value
    }
    column = min(_WIDEST, max(len(lines[number]) for number in leaves)) + 2
    for number, path in leaves.items():
        origin = origin_of(layers, path)
        lines[number] = f"{lines[number]:<{column - 2}}  # {_said(origin)}"
    return "\n".join(lines) + "\n"


def origin_of(layers: Layers, path: KeyPath) -> ValueOrigin | None:
    """Where a value of the resolved recipe was written; None for a default."""
    place = locate(layers.value, path)
    is_there = place == locate(layers.value, path, missing=True)
    is_bare_kind = path[-1] == "kind" and isinstance(_value(layers.value, place), str)
    return layers.origin(place) if is_there or is_bare_kind else None


def _said(origin: ValueOrigin | None) -> str:
    if origin is None:
        return "default"
    if origin.layer == "override":
        return "override"
    where = f"{origin.source}:{origin.line}"
    return f"extends {where}" if origin.layer == "extends" else where


def _value(value: Any, path: KeyPath) -> Any:
    for step in path:
        value = value[step]
    return value

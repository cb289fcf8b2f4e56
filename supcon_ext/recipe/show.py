"""The resolved recipe with the origin of every value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from supcon_ext.recipe.origins import Document, KeyPath, ValueOrigin
from supcon_ext.recipe.reading import read_text
from supcon_ext.recipe.resolved import to_yaml
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.validation_errors import locate

_WIDEST = 56


def annotated_yaml(recipe: Recipe, document: Document) -> str:
    """The resolved recipe as YAML; a comment behind each value says where it comes from.

    Args:
        recipe: The checked recipe.
        document: What it was made from.
    """
    text = to_yaml(recipe)
    written = read_text(text)
    lines = text.splitlines()
    leaves = {
        origin.line - 1: path
        for path in _leaves(written.value)
        if (origin := written.origin_at(path)) and origin.line
    }
    column = min(_WIDEST, max(len(lines[number]) for number in leaves)) + 2
    for number, path in leaves.items():
        origin = origin_of(document, path)
        lines[number] = f"{lines[number]:<{column - 2}}  # {_said(origin)}"
    return "\n".join(lines) + "\n"


def origin_of(document: Document, path: KeyPath) -> ValueOrigin | None:
    """Where a value of the resolved recipe was written; None for a default."""
    place = locate(document.value, path)
    is_there = place == locate(document.value, path, missing=True)
    is_bare_kind = path[-1] == "kind" and isinstance(_value(document.value, place), str)
    return document.origin_at(place) if is_there or is_bare_kind else None


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Path of everything that is no mapping or list, or an empty one."""
    if not value or not isinstance(value, (dict, list)):
        yield path
        return
    for step in value if isinstance(value, dict) else range(len(value)):
        yield from _leaves(value[step], (*path, step))


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

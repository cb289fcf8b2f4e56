"""Which key was meant by one that the schema does not know."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from data_tools.registry import family
from supcon_ext.recipe.families import load_families
from supcon_ext.recipe.origins import KeyPath
from supcon_ext.recipe.part_fields import TermItem
from supcon_ext.recipe.problems import nearest
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.schema_walk import KnownMapping, Shape, fields_of, places

_LIKE = 0.55
_FEW_KEYS = 9
_MOST_PLACES = 3
_CALLED_NOW = {"on": "samples", "true": "samples"}
"""What is called otherwise now; `true` is what a YAML 1.1 reader makes of `on`."""


class UnknownKeys:
    """Advice on the unknown keys of one document.

    Args:
        document: The document, right or wrong.
    """

    def __init__(self, document: Any) -> None:
        self._places: dict[KeyPath, KnownMapping] = {
            place.path: place for place in places(document)
        }

    def meant(self, path: KeyPath) -> str | None:
        """The key of its mapping that an unknown key is most like; rather one not given yet."""
        place = self._places.get(path[:-1])
        if place is None or path[-1] in place.model.model_fields:
            return None
        now = _CALLED_NOW.get(str(path[-1]).lower())
        if now in place.model.model_fields:
            return now
        free = [key for key in place.model.model_fields if key not in place.given]
        return nearest(str(path[-1]), free, _LIKE) or nearest(
            str(path[-1]), place.model.model_fields, _LIKE
        )

    def advice(self, path: KeyPath) -> str:
        """What to do about the unknown key at ``path``."""
        place = self._places.get(path[:-1])
        if place is None:
            return ""
        meant, homes = self.meant(path), self.elsewhere(str(path[-1]))
        keys = [*(["kind"] if _has_kind(place) else []), *place.model.model_fields]
        takes = f"({place.title} takes: {', '.join(keys)})"
        now = _CALLED_NOW.get(str(path[-1]).lower())
        if now in place.model.model_fields:
            return f"It is called `{now}` now: `on` is true to some YAML readers."
        if homes:
            some = ", ".join(f"`{home}`" for home in homes[:_MOST_PLACES])
            return (
                f"It belongs in {some}{' and others' if len(homes) > _MOST_PLACES else ''}. {takes}"
            )
        if meant:
            return f"Did you mean `{meant}`? {takes if len(keys) <= _FEW_KEYS else ''}".rstrip()
        return takes

    def elsewhere(self, key: str) -> list[str]:
        """Places that have a key, the shallowest first: ``stages[].optimizer (kind sgd)``."""
        kinds: dict[str, list[str]] = {}
        for name, place, kind in self._catalogue:
            if name == key:
                kinds.setdefault(place, []).extend([kind] if kind else [])
        homes = sorted(kinds, key=lambda place: (place.count("."), place))
        return [
            f"{home} (kind {', '.join(kinds[home])})" if kinds[home] else home for home in homes
        ]

    @cached_property
    def _catalogue(self) -> list[tuple[str, str, str]]:
        """Every key that the schema knows: key, place, and the kind of part that has it."""
        load_families()
        return list(_keys(Recipe, "", frozenset(), ""))


def _has_kind(place: KnownMapping) -> bool:
    return place.entry is not None and place.entry.family != "term"


def _keys(
    model: type[BaseModel], place: str, above: frozenset[str], kind: str
) -> Iterator[tuple[str, str, str]]:
    for key, annotation in fields_of(model).items():
        yield key, place or "the top level", kind
        yield from _inside(annotation, f"{place}.{key}" if place else key, above)


def _inside(annotation: Any, place: str, above: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    shape = Shape.of(annotation)
    if shape.item is not None:
        yield from _inside(shape.item, place + "[]", above)
    elif shape.model is not None:
        yield from _keys(shape.model, place, above, "")
    elif shape.part is not None and shape.part.family not in above:
        for entry in family(shape.part.family):
            inner = above | {shape.part.family}
            if isinstance(shape.part, TermItem):
                yield from _keys(entry.parameters, f"{place}.{entry.name}", inner, "")
            else:
                yield from _keys(entry.parameters, place, inner, entry.name)

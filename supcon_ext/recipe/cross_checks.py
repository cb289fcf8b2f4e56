"""Checks between the parts of a recipe, each kept by its part, also where others are wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from data_tools.registry import Part, Spec
from supcon_ext.recipe.origins import Fault, KeyPath
from supcon_ext.recipe.part_fields import TermItem
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.schema_walk import Shape, fields_of, place_at, places


class UnknownValueError(LookupError):
    """A check asked for a value that the recipe gets wrong."""


class Partial(dict[str, Any]):
    """A mapping in which some keys have no right value; to ask for one of them is an error.

    Args:
        values: What is known.
        holes: Keys that the recipe gets wrong; None where nothing of the mapping is known.
    """

    def __init__(self, values: dict[str, Any], holes: Collection[str] | None) -> None:
        super().__init__(values)
        self.holes = holes

    def _check(self, key: str) -> None:
        if self.holes is None or key in self.holes:
            raise UnknownValueError(key)

    def __getitem__(self, key: str) -> Any:
        self._check(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default`` where the recipe has no such key."""
        self._check(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._check(str(key))
        return super().__contains__(key)

    def __bool__(self) -> bool:
        return True


def known(
    value: Any, wrong: Collection[KeyPath], annotation: Any = Recipe, path: KeyPath = ()
) -> Any:
    """The document with its defaults, as far as it is right.

    Args:
        value: A document.
        wrong: Keys that are not to be believed.
        annotation: What the document should be.
        path: Where it is.

    Returns:
        What :func:`~supcon_ext.recipe.resolved.resolve` would give, with :class:`Partial` mappings
        where a value is wrong.
    """
    shape = Shape.of(annotation)
    if value is None or path in wrong:
        return value if path not in wrong else Partial({}, None)
    if shape.item is not None and not isinstance(value, tuple):
        items = value if isinstance(value, list) else [value]
        paths = [(*path, i) for i in range(len(items))] if isinstance(value, list) else [path]
        return [known(v, wrong, shape.item, p) for v, p in zip(items, paths, strict=True)]
    if isinstance(value, (Spec, BaseModel)):
        return value.as_dict() if isinstance(value, Spec) else value.model_dump(mode="json")
    place = place_at(annotation, value, path)
    if place is None:
        return _leaf(annotation, value, shape.part)
    values: dict[str, Any] = {}
    holes: set[str] = set()
    for key, inner in fields_of(place.model).items():
        here = (*place.path, key)
        field = place.model.model_fields[key]
        if key not in place.given and (field.is_required() or here in wrong):
            holes.add(key)
            continue
        given = (
            place.given[key] if key in place.given else field.get_default(call_default_factory=True)
        )
        result = known(given, wrong, inner, here)
        if isinstance(result, Partial) and result.holes is None:
            holes.add(key)
        else:
            values[key] = result
    if place.entry is None:
        return Partial(values, holes)
    if isinstance(shape.part, TermItem):
        return {place.entry.name: Partial(values, holes)}
    return Partial({"kind": place.entry.name, **values}, holes)


def _leaf(annotation: Any, value: Any, part: Part | None) -> Any:
    if part is not None:
        return Partial({}, None)
    adapter: TypeAdapter[Any] = TypeAdapter(
        annotation, config=ConfigDict(arbitrary_types_allowed=True)
    )
    try:
        return adapter.dump_python(adapter.validate_python(value), mode="json")
    except ValidationError:
        return Partial({}, None)


def cross_faults(resolved: Mapping[str, Any]) -> list[Fault]:
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
                found.append(Fault((*place.path, *below), message))
        except UnknownValueError:
            continue
    return found


def _stage(resolved: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any]:
    if path[0] != "stages":
        return {}
    stage: Mapping[str, Any] = resolved["stages"][path[1]]
    return stage

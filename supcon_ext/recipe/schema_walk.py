"""A document beside its schema: which keys each mapping may have, and which part it is about."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from data_tools.registry import Entry, Part, family
from supcon_ext.recipe.origins import KeyPath
from supcon_ext.recipe.part_fields import PartOr, TermItem, split_term
from supcon_ext.recipe.schema import Recipe


@dataclass(frozen=True)
class KnownMapping:
    """One mapping of a document that the schema knows.

    Attributes:
        path: Where it is.
        model: Its keys, ``kind`` of a part left out.
        given: What the document says there, in the long form.
        entry: The part that it is about, if it is one.
    """

    path: KeyPath
    model: type[BaseModel]
    given: Mapping[str, Any]
    entry: Entry[Any] | None = None

    @property
    def title(self) -> str:
        """How a message calls it."""
        if self.entry is not None:
            return self.entry.name
        keys = [step for step in self.path if isinstance(step, str)]
        return f"`{keys[-1]}`" if keys else "a recipe"


@dataclass(frozen=True)
class Shape:
    """An annotation taken apart.

    Attributes:
        bare: The type without ``Annotated`` and ``None``; a union of what is left if that is
            several types.
        part: That it is a part, if it is.
        optional: Whether it may be None.
    """

    bare: Any
    part: Part | None
    optional: bool = False

    @classmethod
    def of(cls, annotation: Any) -> Shape:
        """Take an annotation apart."""
        part: Part | None = None
        optional = False
        while True:
            if typing.get_origin(annotation) is Annotated:
                annotation, *extras = typing.get_args(annotation)
                part = next((extra for extra in extras if isinstance(extra, Part)), part)
                continue
            members = typing.get_args(annotation) if is_union(annotation) else (annotation,)
            some = [member for member in members if member is not type(None)]
            optional = optional or len(some) < len(members)
            if len(members) == 1 or len(some) != 1:
                return cls(annotation, part, optional)
            annotation = some[0]

    @property
    def model(self) -> type[BaseModel] | None:
        """The model, if it is one."""
        is_model = isinstance(self.bare, type) and issubclass(self.bare, BaseModel)
        return self.bare if is_model else None

    @property
    def item(self) -> Any:
        """Annotation of the items, if it is a list; else None."""
        if self.part is None and typing.get_origin(self.bare) in (list, tuple):
            return typing.get_args(self.bare)[0]
        return None


def is_union(annotation: Any) -> bool:
    """Whether an annotation is ``A | B``."""
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Annotation of every key of a model."""
    return {name: info.rebuild_annotation() for name, info in model.model_fields.items()}


def place_at(annotation: Any, value: Any, path: KeyPath) -> KnownMapping | None:
    """The mapping that ``value`` stands for, long form or short; None where it stands for none."""
    shape = Shape.of(annotation)
    if isinstance(shape.part, TermItem):
        try:
            name, params = split_term(value)
        except PydanticCustomError:
            return None
        return _part_place(shape.part, name, params, (*path, name))
    if isinstance(value, str) and (shape.part or shape.model):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        return None
    if shape.part is not None:
        fallback = shape.part.default if isinstance(shape.part, PartOr) else None
        return _part_place(shape.part, dict(value).get("kind", fallback), value, path)
    return None if shape.model is None else KnownMapping(path, shape.model, value)


def _part_place(part: Part, kind: Any, params: Any, path: KeyPath) -> KnownMapping | None:
    if not (isinstance(kind, str) and isinstance(params, Mapping)):
        return None
    try:
        entry = family(part.family).get(kind)
    except KeyError:
        return None
    return KnownMapping(path, entry.parameters, params, entry)


def places(value: Any, annotation: Any = Recipe, path: KeyPath = ()) -> Iterator[KnownMapping]:
    """Every mapping in a document that the schema knows, from the outside in.

    Args:
        value: The document, right or wrong.
        annotation: What it should be.
        path: Where it is.
    """
    place = place_at(annotation, value, path)
    if place is not None:
        yield place
        annotations = fields_of(place.model)
        for key, inner in place.given.items():
            if key in annotations:
                yield from places(inner, annotations[key], (*place.path, key))
        return
    item = Shape.of(annotation).item
    if item is None:
        return
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, item, (*path, index))
    elif isinstance(value, Mapping):
        yield from places(value, item, path)


def annotation_at(path: KeyPath) -> Any:
    """What the schema expects at a path; None inside of parts and at unknown keys."""
    annotation: Any = Recipe
    for step in path:
        shape = Shape.of(annotation)
        if shape.item is not None and isinstance(step, str):
            shape = Shape.of(shape.item)
        if shape.item is not None:
            annotation = shape.item
        elif shape.model is not None and step in shape.model.model_fields:
            annotation = shape.model.model_fields[str(step)].rebuild_annotation()
        else:
            return None
    return annotation


def default_kind(path: KeyPath) -> str | None:
    """Kind of the part at a path where a recipe names none; None where it has to."""
    part = Shape.of(annotation_at(path)).part
    return part.default if isinstance(part, PartOr) else None


def is_term(path: KeyPath) -> bool:
    """Whether a path leads to an item of an objective."""
    return isinstance(Shape.of(annotation_at(path)).part, TermItem)


def mistyped(annotation: Any, value: Any) -> Iterator[tuple[KeyPath, str, Any]]:
    """Texts and truth values where pydantic would make a number of them, and the like.

    Args:
        annotation: What is expected.
        value: What came.

    Yields:
        Path below ``value``, what was expected there in words, and what is there.
    """
    shape = Shape.of(annotation)
    if shape.item is not None and isinstance(value, list):
        for index, inner in enumerate(value):
            for path, expected, wrong in mistyped(shape.item, inner):
                yield (index, *path), expected, wrong
        return
    if shape.part is not None or not isinstance(value, (str, bool)):
        return
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    union = typing.get_args(shape.bare) if is_union(shape.bare) else (shape.bare,)
    members = [Shape.of(member).bare for member in union if member is not type(None)]
    choices = [v for m in members if typing.get_origin(m) is Literal for v in typing.get_args(m)]
    types_left = [m for m in members if typing.get_origin(m) is not Literal]
    if type(value) in types_left or value in choices or not all(m in words for m in types_left):
        return
    if types_left:
        phrases = [words[member] for member in types_left] + [f"`{choice}`" for choice in choices]
        yield (), " or ".join(phrases), value

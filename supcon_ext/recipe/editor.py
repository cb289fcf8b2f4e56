"""The JSON Schema of a recipe, for editors that complete and underline YAML."""

from __future__ import annotations

import inspect
import re
import typing
from typing import Annotated, Any, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from data_tools.registry import Entry, Part, family
from supcon_ext.recipe.families import FAMILIES, load_families
from supcon_ext.recipe.part_fields import PartOr
from supcon_ext.recipe.schema import Recipe, as_list
from supcon_ext.recipe.schema_walk import Shape, is_union

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEFINITION = "x-definition"
"""Key of a mark that stands for a reference to a definition, until all definitions are known."""
_DOTTED = {"type": "string", "pattern": r"\.", "description": "Dotted path of a class or function."}
_ARGUMENTS = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r"^    (\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", re.MULTILINE)

JsonSchema = dict[str, Any]


def json_schema() -> JsonSchema:
    """JSON Schema (draft 2020-12) of a recipe, with the parameters of every registered part.

    Each family and each part is a definition under ``$defs``, to which parts that hold parts refer.
    """
    load_families()
    schema = plain_schema(Recipe)
    definitions: JsonSchema = schema.pop("$defs", {})
    for name in FAMILIES:
        for entry in family(name):
            parameters = plain_schema(entry.parameters)
            definitions.update(parameters.pop("$defs", {}))
            definitions[f"{name}.{entry.name}"] = _part_schema(parameters, entry)
        definitions[name] = _term_schema(name) if name == "term" else _family_schema(name)
    alone = {"required": schema.pop("required")}  # of a recipe that extends none
    either = {"anyOf": [alone, {"required": ["extends"]}]}
    linked: JsonSchema = _linked({**schema, **either, "$defs": definitions})
    return {"$schema": DIALECT, **linked, "title": "supcon_ext recipe"}


def plain_schema(model: type[BaseModel]) -> JsonSchema:
    """Schema of a model in which every part is only marked with its family."""
    return _marked_model(model).model_json_schema()


def _part_schema(parameters: JsonSchema, entry: Entry[Any]) -> JsonSchema:
    notes = parameter_notes(entry)
    properties = {
        name: {**field, "description": notes[name]} if name in notes else field
        for name, field in parameters.get("properties", {}).items()
    }
    if entry.family != "term":
        properties = {"kind": {"const": entry.name}, **properties}
    return {
        "type": "object",
        "title": entry.name,
        "description": entry.summary,
        "properties": properties,
        "required": parameters.get("required", []),
        "additionalProperties": False,
    }


def _family_schema(name: str) -> JsonSchema:
    """A part's name, or a mapping whose ``kind`` is the name."""
    names = [entry.name for entry in family(name)]
    with_kind = [{**_ref(f"{name}.{kind}"), "required": ["kind"]} for kind in names]
    own = {"type": "object", "properties": {"kind": _DOTTED}, "required": ["kind"]}
    return {"anyOf": [{"enum": names}, _DOTTED, *with_kind, own]}


def _term_schema(name: str) -> JsonSchema:
    """A term's name, or a mapping from the name to the parameters."""
    names = [entry.name for entry in family(name)]
    by_name = {
        "type": "object",
        "properties": {
            kind: {"anyOf": [_ref(f"{name}.{kind}"), {"type": "null"}]} for kind in names
        },
        "patternProperties": {r"\.": {"type": ["object", "null"]}},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    return {"anyOf": [{"enum": names}, _DOTTED, by_name]}


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/$defs/{name}"}


def _marked_model(model: type[BaseModel]) -> type[BaseModel]:
    """A copy of a model for writing its schema: parts marked, short forms allowed."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        settings: dict[str, Any] = {"description": info.description}
        if info.default_factory is not None:
            settings["default_factory"] = info.default_factory
        elif not info.is_required():
            settings["default"] = info.default
        fields[name] = (_marked(info.rebuild_annotation()), Field(**settings))
    config = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True)
    return create_model(model.__name__, __config__=config, __doc__=model.__doc__, **fields)


def _marked(annotation: Any) -> Any:
    shape = Shape.of(annotation)
    if shape.part is not None and typing.get_origin(annotation) is Annotated:
        mark: Any = Annotated[Any, WithJsonSchema(_mark(shape.part))]
        return mark | None if shape.optional else mark
    if typing.get_origin(annotation) is Annotated:
        inner, *extras = typing.get_args(annotation)
        marked = _marked(inner)
        shortened = {extra.func for extra in extras if isinstance(extra, BeforeValidator)}
        if as_list in shortened:
            return Union[marked, _marked(shape.item)]  # noqa: UP007
        return Annotated[marked, *extras]
    if is_union(annotation):
        return Union[tuple(_marked(member) for member in typing.get_args(annotation))]  # noqa: UP007
    origin = typing.get_origin(annotation)
    if origin in (list, tuple):
        return origin[tuple(_marked(member) for member in typing.get_args(annotation))]
    return annotation if shape.model is None else _marked_model(shape.model)


def _mark(part: Part) -> JsonSchema:
    if isinstance(part, PartOr):  # its mapping may leave out `kind`
        return {"anyOf": [{DEFINITION: part.family}, {DEFINITION: f"{part.family}.{part.default}"}]}
    return {DEFINITION: part.family}


def _linked(value: Any) -> Any:
    """Replace the marks by references."""
    if isinstance(value, list):
        return [_linked(item) for item in value]
    if not isinstance(value, dict):
        return value
    linked = {key: _linked(inner) for key, inner in value.items() if key != DEFINITION}
    return {**linked, **_ref(value[DEFINITION])} if DEFINITION in value else linked


def parameter_notes(entry: Entry[Any]) -> dict[str, str]:
    """What the docstring's ``Args`` say of each parameter, on one line each."""
    found = _ARGUMENTS.search(inspect.getdoc(entry.target) or "")
    arguments = _ARGUMENT.findall(found[1]) if found else []
    return {name: " ".join(text.split()) for name, text in arguments}

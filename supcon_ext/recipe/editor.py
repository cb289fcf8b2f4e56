"""The JSON Schema of a recipe, for editors that complete and underline YAML."""

from __future__ import annotations

import inspect
import re
from typing import Any

from data_tools.registry import FAMILY_MARK, Entry, family
from supcon_ext.recipe.families import FAMILIES, load_families
from supcon_ext.recipe.schema import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DOTTED = {"type": "string", "pattern": r"\.", "description": "Dotted path of a class or function."}
_ARGUMENTS = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_ATTRIBUTES = re.compile(_ARGUMENTS.pattern.replace("Args", "Attributes"), _ARGUMENTS.flags)
_ARGUMENT = re.compile(r"^    (\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", re.MULTILINE)

JsonSchema = dict[str, Any]


def json_schema() -> JsonSchema:
    """JSON Schema (draft 2020-12) of a recipe, with the parameters of every registered part.

    Each family and each part is a definition under ``$defs``, to which parts that hold parts refer.
    """
    load_families()
    schema = Recipe.model_json_schema()
    definitions: JsonSchema = schema.pop("$defs", {})
    for name in FAMILIES:
        for entry in family(name):
            parameters = entry.parameters.model_json_schema()
            definitions.update(parameters.pop("$defs", {}))
            definitions[f"{name}.{entry.name}"] = _part_schema(parameters, entry)
        definitions[name] = _term_schema(name) if name == "term" else _family_schema(name)
    alone = {"required": schema.pop("required")}  # of a recipe that extends none
    either = {"anyOf": [alone, {"required": ["extends"]}]}
    linked: JsonSchema = _linked({**schema, **either, "$defs": definitions})
    return {"$schema": DIALECT, **linked, "title": "supcon_ext recipe"}


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


def _linked(value: Any) -> Any:
    """Replace the marks by references."""
    if isinstance(value, list):
        return [_linked(item) for item in value]
    if not isinstance(value, dict):
        return value
    linked = {key: _linked(inner) for key, inner in value.items() if key != FAMILY_MARK}
    return {**linked, **_ref(value[FAMILY_MARK])} if FAMILY_MARK in value else linked


def parameter_notes(entry: Entry[Any]) -> dict[str, str]:
    """What docstrings say of each parameter, on one line each: the part's, and its bases'."""
    base, target = family(entry.family).base, entry.target
    own = reversed(inspect.getmro(target)) if inspect.isclass(target) else (target,)
    notes = {}
    for of, pattern in ((base, _ATTRIBUTES), *((each, _ARGUMENTS) for each in own)):
        found = pattern.search(inspect.cleandoc((of.__doc__ if of is not None else None) or ""))
        for name, text in _ARGUMENT.findall(found[1]) if found else []:
            notes[name] = " ".join(text.split())
    return notes

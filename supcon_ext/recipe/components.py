"""Every part that a recipe can name, with its parameters, read off the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_tools.registry import FAMILY_MARK, Entry, family
from supcon_ext.recipe.editor import parameter_notes
from supcon_ext.recipe.families import FAMILIES, load_families
from supcon_ext.recipe.problems import nearest

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "mapping",
    "array": "list",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a part.

    Attributes:
        name: Its key in a recipe.
        kind: What it may be, with its bounds, in words.
        required: Whether it has to be given.
        default: What it is if not given; None where it is required.
        note: What the part's documentation says of it.
    """

    name: str
    kind: str
    required: bool
    default: Any
    note: str


@dataclass(frozen=True)
class Component:
    """A part: its family, its name in a recipe, one line about it, its parameters."""

    family: str
    name: str
    summary: str
    parameters: tuple[Parameter, ...]


def list_components(family_name: str | None = None) -> list[Component]:
    """The parts of one family, or of all.

    Raises:
        ValueError: No family has this name.
    """
    load_families()
    if family_name is None:
        return [_component(entry) for name in FAMILIES for entry in family(name)]
    if family_name not in FAMILIES:
        near = nearest(family_name, FAMILIES)
        raise ValueError(
            f"Expected one of {', '.join(FAMILIES)}, but got `{family_name}`."
            + (f" Did you mean `{near}`?" if near else "")
        )
    return [_component(entry) for entry in family(family_name)]


def _component(entry: Entry[Any]) -> Component:
    schema = entry.parameters.model_json_schema()
    required = schema.get("required", [])
    notes = parameter_notes(entry)
    parameters = tuple(
        Parameter(name, _words(field), name in required, field.get("default"), notes.get(name, ""))
        for name, field in schema.get("properties", {}).items()
    )
    return Component(entry.family, entry.name, entry.summary, parameters)


def _words(field: Mapping[str, Any]) -> str:
    """A parameter's JSON Schema in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_words(member) for member in field["anyOf"]))
    if FAMILY_MARK in field:
        return str(field[FAMILY_MARK])
    if "enum" in field:
        return " | ".join(str(choice) for choice in field["enum"])
    if "const" in field:
        return str(field["const"])
    kind = _TYPES.get(str(field.get("type")), "any value")
    if kind == "list":
        items = field.get("items") or next(iter(field.get("prefixItems", [])), None)
        kind = f"list of {_words(items)}" if items else kind
    return " ".join([kind, *_bounds(field)])


def _bounds(field: Mapping[str, Any]) -> list[str]:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]


def markdown_table(found: Sequence[Component]) -> str:
    """The names of every family, as a table in Markdown."""
    names: dict[str, list[str]] = {}
    for part in found:
        names.setdefault(part.family, []).append(f"`{part.name}`")
    rows = [f"| {family_name} | {', '.join(parts)} |" for family_name, parts in names.items()]
    return "\n".join(["| family | what there is |", "| --- | --- |", *rows]) + "\n"

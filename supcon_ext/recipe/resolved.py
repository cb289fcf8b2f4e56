"""A recipe written out: as plain values, as YAML, and as one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import yaml

from supcon_ext.recipe.reading import CORE_SCALARS
from supcon_ext.recipe.schema import Recipe

_OTHER_BREAKS = frozenset("\r\x85\u2028\u2029")
_IRRELEVANT = ("name", "description", "tracking")


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer, quoting whatever any reader could take for something else than text."""


for _name, _pattern, _first in CORE_SCALARS:
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Text of several lines as a block, so that every key and its value begin in one line."""
    style = "|" if "\n" in value else None
    if not _OTHER_BREAKS.isdisjoint(value):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_multi_representer(str, _text)  # keys and lists that were read know their origin
_Dumper.add_multi_representer(list, _Dumper.represent_list)


def resolve(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, all defaults written out; loading them gives the same recipe."""
    return recipe.model_dump(mode="json", exclude={"extends"})


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe as YAML; loading it gives the same recipe."""
    return dump(resolve(recipe))


def dump(value: Any) -> str:
    """Plain values as YAML in block style, keys in their order."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        width=10**6,
        allow_unicode=True,
        default_flow_style=False,
    )
    return text


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256, in 64 hexadecimal digits, of everything in a recipe that decides its result.

    Left out are ``name``, ``description``, ``tracking`` and ``compute.workers``. The seeds are in:
    two runs with one hash give the same numbers.
    """
    values = deciding(resolve(recipe))
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def deciding(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a resolved recipe's values, those that decide its result."""
    kept = {key: value for key, value in values.items() if key not in _IRRELEVANT}
    kept["compute"] = {k: v for k, v in kept["compute"].items() if k != "workers"}
    return kept


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Values of nested mappings and lists by dotted path; an empty one is a value itself."""
    if isinstance(value, Mapping) and value:
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and value:
        items = [(str(number), item) for number, item in enumerate(value)]
    else:
        return {path: value}
    return {
        key: leaf
        for name, item in items
        for key, leaf in leaves(item, f"{path}.{name}" if path else name).items()
    }

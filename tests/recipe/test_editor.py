"""The JSON Schema: whole, without dangling references, and in agreement with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from data_tools.registry import family
from supcon_ext.recipe import json_schema, list_recipes, parse_recipe, resolve
from supcon_ext.recipe.families import FAMILIES
from supcon_ext.recipe.library import RecipeInfo
from supcon_ext.recipe.reading import read_file
from supcon_ext.sweep import load_sweep
from tests.recipe.test_resolved import RECIPE


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            yield from nodes(inner)


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    references = {node["$ref"] for node in nodes(schema) if isinstance(node.get("$ref"), str)}
    assert references
    assert references <= {f"#/$defs/{name}" for name in schema["$defs"]}
    assert not any(key.startswith("x-") for node in nodes(schema) for key in node)


def test_every_part_is_there_with_every_parameter(schema: dict[str, Any]) -> None:
    for name in FAMILIES:
        for entry in family(name):
            definition = schema["$defs"][f"{name}.{entry.name}"]
            kind = set() if name == "term" else {"kind"}
            assert set(definition["properties"]) == set(entry.parameters.model_fields) | kind
            assert definition["additionalProperties"] is False


def test_it_is_plain_json_with_what_an_editor_shows(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    stage = schema["$defs"]["StageSection"]["properties"]
    assert stage["batch_size"]["description"] == "Samples in a batch, over all processes."
    assert (stage["batch_size"]["default"], stage["batch_size"]["minimum"]) == (256, 1)
    rate = schema["$defs"]["noise.symmetric"]["properties"]["rate"]
    assert (rate["minimum"], rate["maximum"]) == (0, 1)
    assert rate["description"]


GOOD = {
    "as short as can be": {},
    "long forms": {
        "data": {
            "dataset": {"size": 8},
            "noise": {"kind": "symmetric", "rate": 0.2},
            "groups": {"many": [0], "medium": [], "few": [1]},
        },
        "model": {"classifier": {"kind": "cosine", "scale": 10}, "ema": 0.9},
        "compute": {"devices": "auto"},
        "evaluation": [{"kind": "knn", "k": 3}],
        "extends": "quickstart",
    },
    "short forms": {
        "data": {"dataset": "digits", "noise": None},
        "model": {"classifier": "cosine", "backbone": "conv4"},
    },
}
BAD = {
    "an unknown key": {"sed": 1},
    "a wrong kind": {"data": {"noise": {"kind": "symetric", "rate": 0.2}}},
    "an unknown parameter": {"data": {"noise": {"kind": "symmetric", "rate": 0.2, "x": 1}}},
    "out of bounds": {"data": {"noise": {"kind": "symmetric", "rate": 1.2}}},
    "no kind where one is needed": {"data": {"noise": {"rate": 0.2}}},
    "a wrong type": {"seed": "one"},
}


@pytest.fixture(scope="module")
def checker(schema: dict[str, Any]) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", GOOD)
def test_good_recipes_conform(checker: Any, name: str) -> None:
    assert list(checker.iter_errors({**RECIPE, **GOOD[name]})) == []
    plain = {key: value for key, value in GOOD[name].items() if key != "extends"}
    assert list(checker.iter_errors(resolve(parse_recipe({**RECIPE, **plain})))) == []


@pytest.mark.parametrize("info", list_recipes(), ids=lambda info: info.name)
def test_shipped_recipes_conform(checker: Any, info: RecipeInfo) -> None:
    if info.is_sweep:  # runs of other seeds are alike
        runs = {str(child.variant): child.recipe for child in load_sweep(info.path).children}
        values = [resolve(recipe) for recipe in runs.values()]
    else:
        values = [read_file(info.path).value]
    for value in values:
        assert list(checker.iter_errors(value)) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_recipes_do_not(checker: Any, name: str) -> None:
    assert list(checker.iter_errors({**RECIPE, **BAD[name]}))

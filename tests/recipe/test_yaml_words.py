"""No key or value of a recipe is a word that YAML 1.1 reads as something else than text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from supcon_ext.recipe import (
    RecipeError,
    json_schema,
    list_recipes,
    load_recipe,
    parse_recipe,
    recipe_hash,
)
from supcon_ext.recipe.library import RecipeInfo
from supcon_ext.sweep import load_sweep

SCHEMA = json_schema()
WORDS_OF_YAML_1_1 = re.compile(
    r"y|yes|n|no|true|false|on|off|null|~|[-+]?\.inf|\.nan|<<|=|[-+]?[0-9][-+0-9_:.eExoTZt]*|",
    re.IGNORECASE,
)
"""Truth values, nothing, numbers, times and the two signs that YAML 1.1 reads for itself."""
SHIPPED = list_recipes()


def words(schema: Any) -> Iterator[str]:
    """Every key, choice and textual default that a JSON Schema tells of."""
    if isinstance(schema, Mapping):
        yield from schema.get("properties", {})
        texts = [*schema.get("enum", []), schema.get("const"), schema.get("default")]
        for value in texts:
            yield from texts_in(value)
        for inner in schema.values():
            yield from words(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from words(inner)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key, *texts_in(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


@pytest.mark.parametrize("word", ["on", "Off", "YES", "n", "~", "Null", "", "1e-5", "12:30"])
def test_such_words_are_known(word: str) -> None:
    assert WORDS_OF_YAML_1_1.fullmatch(word)


@pytest.mark.parametrize("place", ["", *SCHEMA["$defs"]])
def test_no_key_or_value_is_such_a_word(place: str) -> None:
    part = SCHEMA["$defs"][place] if place else {**SCHEMA, "$defs": {}}
    taken = {word for word in words(part) if WORDS_OF_YAML_1_1.fullmatch(word)}
    assert taken - {""} == set()  # an empty description is text in quotes
    names = set(words(part)) - {""}
    assert yaml.safe_load(yaml.safe_dump({name: name for name in names})) == {n: n for n in names}
    assert {yaml.safe_load(name) for name in names} == names


def test_the_walk_sees_keys_choices_and_names() -> None:
    seen = set(words(SCHEMA))
    assert {"stages", "samples", "over_stage", "falling", "cross_entropy", "bf16-mixed"} <= seen


RECIPE = """\
name: a
stages:
  - name: main
    epochs: 1
    objective:
      - {term}:
          {key}: confident
"""


@pytest.mark.parametrize("term", ["cross_entropy", "contrastive", "similarity"])
@pytest.mark.parametrize("key", ["on", "On", "ON", "true", "True"])
def test_the_key_of_before_names_the_new_one(tmp_path: Path, term: str, key: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.format(term=term, key=key))
    takes = "samples" in SCHEMA["$defs"][f"term.{term}"]["properties"]
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (7, f"stages.0.objective.0.{term}.{key}")
    assert problem.message == "Unknown key."
    assert ("It is called `samples` now" in problem.suggestion) == takes


def test_the_key_of_before_on_the_command_line() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(
            "supcon/digits",
            [
                "stages.0.objective=[cross_entropy]",
                "stages.0.objective.0.cross_entropy.on=all",
            ],
        )
    (problem,) = caught.value.problems
    assert problem.file == "command line" and "`samples`" in problem.suggestion


def test_the_key_of_before_from_python() -> None:
    with pytest.raises(RecipeError, match="`on` is `samples` now"):
        parse_recipe(yaml.safe_load(RECIPE.format(term="cross_entropy", key="on")))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every shipped file, read and written by plain PyYAML; all, for some name others by path."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for shipped in SHIPPED:
        path = folder / f"{shipped.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(yaml.safe_load(shipped.path.read_text(encoding="utf-8"))))
    return folder


def hashes(info: RecipeInfo, path: Path) -> set[str]:
    if info.is_sweep:  # its runs are named in the order of the keys, which PyYAML sorts
        return {recipe_hash(c.recipe) for c in load_sweep(path, ["seeds=[0]"]).children}
    return {recipe_hash(load_recipe(path))}


@pytest.mark.parametrize("info", SHIPPED, ids=lambda info: info.name)
def test_written_by_another_program_it_is_the_same(info: RecipeInfo, elsewhere: Path) -> None:
    before = hashes(info, info.path)
    assert before
    assert hashes(info, elsewhere / f"{info.name}.yaml") == before

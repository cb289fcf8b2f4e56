"""Whatever is done to what ships, the answer is a recipe or problems with their places."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_tools.printable import printable_lines
from supcon_ext.cli import main
from supcon_ext.recipe import (
    Problem,
    RecipeError,
    load_recipe,
    parse_recipe,
    recipes_root,
    resolve,
    to_yaml,
)
from supcon_ext.recipe.reading import read_text
from supcon_ext.sweep import load_sweep
from tests.recipe import mutations as made

short = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
long = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
recipes = st.sampled_from(made.RECIPES)
sweeps = st.sampled_from(made.SWEEPS)
spoilt_recipes = recipes.flatmap(lambda n: made.mutations(n).map(lambda m: made.spoilt(n, m)))
spoilt_sweeps = sweeps.flatmap(lambda n: made.mutations(n).map(lambda m: made.spoilt(n, m)))
spoilt_texts = recipes.flatmap(made.texts)
overridden = recipes.flatmap(
    lambda n: st.tuples(st.just(n), st.lists(made.overrides(n), min_size=1, max_size=3))
)


def answer(load: Callable[[], Any]) -> Any:
    """What was loaded, or None and all problems have a message that can be printed and a place."""
    try:
        return load()
    except RecipeError as error:
        assert error.problems
        for problem in error.problems:
            check_problem(problem)
        assert len({(p.file, p.line, p.path, p.message) for p in error.problems}) == len(
            error.problems
        )
        text = str(error)
        text.encode()
        assert printable_lines(text) == text
        assert "pydantic" not in text and "Input should" not in text and "Value error" not in text
        return None


def check_problem(problem: Problem) -> None:
    assert problem.file and problem.message
    assert problem.message.startswith(("Expected", "Unknown", "`")), problem


def in_file(write: Callable[[Path], Path], use: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "supcon").symlink_to(recipes_root() / "supcon")
        use(write(Path(folder)))


def check_command(*arguments: str) -> None:
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code in (0, 2), (arguments, told.output, told.exception)
    assert "Traceback" not in told.output
    if told.exit_code == 2:
        assert told.stdout == "" and told.stderr.strip()


def check_plain(value: dict[str, Any]) -> None:
    value.pop("extends", None)
    recipe = answer(lambda: parse_recipe(value))
    if recipe is not None:
        assert parse_recipe(resolve(recipe)) == recipe
        assert parse_recipe(read_text(to_yaml(recipe)).value) == recipe


def check_file(path: Path) -> None:
    recipe = answer(lambda: load_recipe(path))
    check_command("show" if recipe is not None else "validate", str(path))


def check_sweep(path: Path) -> None:
    answer(lambda: load_sweep(path))
    check_command("validate", str(path))


def check_overrides(name: str, texts: list[str]) -> None:
    try:
        load_recipe(name, texts)
    except RecipeError as error:
        assert all(p.file == "command line" or p.line for p in error.problems), error.problems
    check_command("validate", name, "--", *texts)


@pytest.mark.parametrize("value", ["text", {"a": 1}])
def test_something_else_where_a_list_is_wanted(value: Any) -> None:
    """At every list of the shipped recipes, once of those that are alike; some take both."""
    lists, places = 0, set()
    for name in made.RECIPES:
        whole = made.document(name)
        for at in made.PLACES[name]:
            if isinstance(made.inner(whole, at), list):
                lists += 1
                keys = tuple(key for key in at if isinstance(key, str))
                beside = made.inner(whole, at[:-1])
                kind = beside.get("kind") if isinstance(beside, dict) else None
                if (keys, kind) not in places:
                    places.add((keys, kind))
                    check_plain(made.spoilt(name, [made.Mutation(at, "replace", value, "", ())]))
    assert lists > 100 and len(places) > 10


@short
@given(spoilt_recipes)
def test_plain_values(value: dict[str, Any]) -> None:
    check_plain(value)


@short
@given(spoilt_recipes)
def test_files(value: dict[str, Any]) -> None:
    in_file(lambda folder: made.write(folder, value), check_file)


@short
@given(spoilt_texts)
def test_texts(text: str) -> None:
    in_file(lambda folder: write_text(folder, text), check_file)


@short
@given(spoilt_sweeps)
def test_sweeps(value: dict[str, Any]) -> None:
    in_file(lambda folder: made.write(folder, made.few_runs(value)), check_sweep)


@short
@given(overridden)
def test_overrides(case: tuple[str, list[str]]) -> None:
    check_overrides(*case)


def write_text(folder: Path, text: str) -> Path:
    path = folder / "spoilt.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.long
@pytest.mark.timeout(600)
class TestLong:
    """The same, with many more examples."""

    @long
    @given(spoilt_recipes)
    def test_plain_values(self, value: dict[str, Any]) -> None:
        check_plain(value)

    @long
    @given(spoilt_recipes)
    def test_files(self, value: dict[str, Any]) -> None:
        in_file(lambda folder: made.write(folder, value), check_file)

    @long
    @given(spoilt_texts)
    def test_texts(self, text: str) -> None:
        in_file(lambda folder: write_text(folder, text), check_file)

    @long
    @given(spoilt_sweeps)
    def test_sweeps(self, value: dict[str, Any]) -> None:
        in_file(lambda folder: made.write(folder, made.few_runs(value)), check_sweep)

    @long
    @given(overridden)
    def test_overrides(self, case: tuple[str, list[str]]) -> None:
        check_overrides(*case)

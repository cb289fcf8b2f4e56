"""Every malformed recipe is told with its file, line, key path, and what was expected."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from supcon_ext.recipe import Problem, RecipeError, load_recipe
from tests.recipe.malformed import CASES, FILE, GOOD, Malformed, report


def problems_of(case: Malformed, folder: Path) -> list[Problem]:
    (folder / FILE).write_text(case.text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(FILE, case.overrides)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_problem_is_told_once_and_exactly(
    case: Malformed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    problems = problems_of(case, tmp_path)
    found = {(p.file, p.line, p.path): p for p in problems}
    assert set(found) == {(e.file, e.line, e.path) for e in case.problems}
    assert len(found) == len(problems)
    for expected in case.problems:
        problem = found[expected.file, expected.line, expected.path]
        assert problem.message.startswith(expected.message)
        assert problem.suggestion.startswith(expected.suggestion)


def test_at_least_twenty_are_tried() -> None:
    assert len(CASES) >= 20
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_messages_are_in_our_words(case: Malformed, tmp_path: Path) -> None:
    text = report(case, tmp_path)
    assert "pydantic" not in text and "Input should" not in text and "http" not in text
    assert all(len(line) <= 110 or " " not in line.strip() for line in text.splitlines()[1:])


def test_the_recipe_that_the_cases_spoil_is_good(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text(GOOD)
    assert load_recipe(path).name == "good"


def test_an_error_crosses_processes(tmp_path: Path) -> None:
    problems = [Problem("a.yaml", 3, "b.c", "Wrong.", "Try: d"), Problem("a.yaml", 1, "e", "Bad.")]
    error = RecipeError(problems)
    again = pickle.loads(pickle.dumps(error))
    assert (again.problems, str(again)) == (error.problems, str(error))
    assert [problem.line for problem in again.problems] == [1, 3]


def test_the_block_of_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_text(GOOD + "data:\n  noise: {kind: symmetric, rate: 1.3}\nsed: 1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(FILE, ["seed=-1"])
    assert str(caught.value) == (
        "mine.yaml: 2 problems\n"
        "  line 8  data.noise.rate  Expected a value of at most 1, but got 1.3.\n"
        "  line 9  sed              Unknown key. Did you mean `seed`?\n"
        "command line: 1 problem\n"
        "  seed=-1  Expected a value of at least 0, but got -1."
    )

"""Whatever is done to a recipe, the answer is a recipe or a list of problems, never a crash."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.recipe import Recipe, RecipeError, parse_recipe, resolve

RECIPE: dict[str, Any] = {
    "name": "a",
    "data": {
        "dataset": {"kind": "digits", "size": 16},
        "noise": {"kind": "open_set", "rate": 0.4, "foreign": "digits"},
        "imbalance": {"kind": "step", "factor": 10},
        "groups": {"many": [0], "medium": [1], "few": [2]},
    },
    "model": {"backbone": "conv4", "classifier": "cosine", "ema": 0.9},
    "stages": [
        {
            "name": "one",
            "epochs": 1,
            "views": [{"policy": "weak", "name": "a"}, {"policy": {"kind": "randaugment"}}],
            "objective": [
                {"contrastive": {"selector": {"kind": "label"}, "queue": 2000, "views": "a"}},
                "cross_entropy",
            ],
            "optimizer": {"kind": "sgd", "lr": 0.1},
            "schedule": {"warmup_epochs": 1},
        }
    ],
    "evaluation": ["linear_probe", {"kind": "knn", "k": 3}],
}


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, inner in steps:
        yield (*path, step)
        if isinstance(inner, (dict, list)):
            yield from paths(inner, (*path, step))


PATHS = list(paths(RECIPE))
WORDS = sorted({str(step) for path in PATHS for step in path} | {"kind", "symmetric", "no.such"})
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3000)
    | st.floats(-1, 2)
    | st.sampled_from(WORDS)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=5,
)


def changed(recipe: dict[str, Any], path: tuple[str | int, ...], value: Any, key: str) -> None:
    holder: Any = recipe
    for step in path[:-1]:
        if not isinstance(holder, (dict, list)):
            return
        try:
            holder = holder[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
        holder[key] = value
    elif isinstance(holder, list):
        holder[:1] = [value]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(PATHS), anything, st.none() | st.sampled_from(WORDS)),
        min_size=1,
        max_size=3,
    )
)
def test_a_recipe_or_problems(changes: list[tuple[tuple[str | int, ...], Any, str | None]]) -> None:
    recipe = copy.deepcopy(RECIPE)
    for path, value, key in changes:
        changed(recipe, path, value, str(path[-1]) if key is None else key)
    before = copy.deepcopy(recipe)
    try:
        checked = parse_recipe(recipe)
    except RecipeError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
        assert len({(p.path, p.message) for p in error.problems}) == len(error.problems)
    else:
        assert isinstance(checked, Recipe)
        assert parse_recipe(resolve(checked)) == checked
    assert recipe == before


def test_the_recipe_itself_is_right() -> None:
    assert parse_recipe(RECIPE).name == "a"

"""``a.b.c=value`` sets exactly that, by index and by name, and says what is wrong with the rest."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supcon_ext.recipe.overrides import apply_overrides
from tests.recipe.values import scalars

RECIPE: dict[str, Any] = {
    "name": "a",
    "data": {"noise": {"kind": "symmetric", "rate": 0.4}, "dataset": "digits"},
    "stages": [
        {"name": "warmup", "epochs": 1, "objective": ["contrastive"]},
        {
            "name": "main",
            "epochs": 9,
            "schedule": {"warmup_epochs": 2},
            "objective": [
                {"contrastive": {"selector": "label", "temperature": 0.1}},
                {"cross_entropy": None},
            ],
        },
    ],
    "evaluation": ["linear_probe", {"kind": "knn", "k": 20}],
}


def overridden(*texts: str) -> dict[str, Any]:
    value, problems = apply_overrides(RECIPE, texts)
    assert problems == []
    assert isinstance(value, dict)
    return value


def message(*texts: str) -> str:
    _, problems = apply_overrides(RECIPE, texts)
    assert [problem.file for problem in problems] == ["command line"]
    return problems[0].message


def test_a_value_is_read_as_yaml() -> None:
    assert overridden("seed=3")["seed"] == 3
    assert overridden("seed=1e-3")["seed"] == 1e-3
    assert overridden("name=1e-3x")["name"] == "1e-3x"
    assert overridden("plugins=[a, b.c]")["plugins"] == ["a", "b.c"]
    assert overridden("description=a=b: c".replace(": ", ":"))["description"] == "a=b:c"
    assert overridden("data.noise=null")["data"]["noise"] is None
    assert overridden("data.noise=")["data"]["noise"] is None


def test_stages_by_index_and_by_name() -> None:
    by_index = overridden("stages.1.epochs=3")
    assert by_index["stages"][1]["epochs"] == 3
    assert overridden("stages.main.epochs=3") == by_index
    assert by_index["stages"][0] == RECIPE["stages"][0]


def test_terms_by_name_long_and_bare() -> None:
    by_index = overridden("stages.1.objective.0.contrastive.temperature=0.5")
    terms = by_index["stages"][1]["objective"]
    assert terms[0]["contrastive"] == {"selector": "label", "temperature": 0.5}
    assert overridden("stages.main.objective.contrastive.temperature=0.5") == by_index
    bare = overridden("stages.warmup.objective.contrastive.weight=2")
    assert bare["stages"][0]["objective"] == [{"contrastive": {"weight": 2}}]
    empty = overridden("stages.main.objective.cross_entropy.weight=2")
    assert empty["stages"][1]["objective"][1] == {"cross_entropy": {"weight": 2}}
    whole = overridden("stages.main.objective.cross_entropy={mixup: 1}")
    assert whole["stages"][1]["objective"][1] == {"cross_entropy": {"mixup": 1}}


def test_parts_of_a_list_by_kind() -> None:
    assert overridden("evaluation.knn.k=5")["evaluation"][1] == {"kind": "knn", "k": 5}
    assert overridden("evaluation.linear_probe.l2=1")["evaluation"][0] == {
        "kind": "linear_probe",
        "l2": 1,
    }


def test_a_short_form_is_written_out() -> None:
    assert overridden("data.dataset.size=8")["data"]["dataset"] == {"kind": "digits", "size": 8}


def test_missing_mappings_are_made() -> None:
    assert overridden("model.projector.dim=8")["model"] == {"projector": {"dim": 8}}
    assert overridden("stages.warmup.schedule.kind=step")["stages"][0]["schedule"] == {
        "kind": "step"
    }


def test_a_mapping_merges_and_another_kind_inherits_nothing() -> None:
    noise = overridden("data.noise={kind: symmetric, seed: 1}")["data"]["noise"]
    assert noise == {"kind": "symmetric", "rate": 0.4, "seed": 1}
    assert overridden("data.noise=symmetric")["data"]["noise"] == RECIPE["data"]["noise"]
    other = overridden("data.noise={kind: pair_flip, rate: 0.2}")["data"]["noise"]
    assert other == {"kind": "pair_flip", "rate": 0.2}
    assert overridden("data.noise=pair_flip")["data"]["noise"] == {"kind": "pair_flip"}


def test_the_default_kind_counts_as_a_kind() -> None:
    same = overridden("stages.main.schedule={kind: cosine, final: 0.1}")
    assert same["stages"][1]["schedule"] == {"kind": "cosine", "final": 0.1, "warmup_epochs": 2}
    assert overridden("stages.main.schedule=step")["stages"][1]["schedule"] == {"kind": "step"}


def test_a_list_is_replaced() -> None:
    assert overridden("evaluation=[knn]")["evaluation"] == ["knn"]


def test_the_last_one_wins() -> None:
    assert overridden("seed=1", "seed=2")["seed"] == 2
    assert overridden("data.noise.rate=0.1", "data.noise=null")["data"]["noise"] is None


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("seed", "Expected `key=value`"),
        ("=3", "Expected `key=value`"),
        ("a..b=3", "Expected `key=value`"),
        ("stages.2.epochs=1", "Expected an index below 2 or a name (warmup, main) after `stages`"),
        ("stages.mian.epochs=1", "Did you mean `main`?"),
        (
            "data.noise.rate.x=1",
            "Expected a mapping or a list at `data.noise.rate`, but it is 0.4.",
        ),
        ("seed=[1", "Expected YAML"),
        ("seed=yes", "a bare `yes`"),
        ("stages.main.objective.contrast.weight=1", "Did you mean `contrastive`?"),
    ],
)
def test_what_is_wrong_with_an_override(text: str, fragment: str) -> None:
    assert fragment in message(text)


def test_a_wrong_override_leaves_the_others_standing() -> None:
    value, problems = apply_overrides(RECIPE, ["nonsense", "seed=4"])
    assert value["seed"] == 4
    assert [problem.path for problem in problems] == ["nonsense"]


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, inner in enumerate(value) for leaf in leaves(inner, (*path, str(i)))]
    return [path]


def at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@given(st.sampled_from(leaves(RECIPE)), st.one_of(scalars, st.lists(scalars)))
def test_a_path_that_is_set_is_set_and_nothing_else_is(path: tuple[str, ...], value: Any) -> None:
    before = copy.deepcopy(RECIPE)
    text = f"{'.'.join(path)}={json.dumps(value)}"
    after = overridden(text)
    assert RECIPE == before
    assert at(after, path) == value
    for other in leaves(RECIPE):
        if other != path:
            assert at(after, other) == at(RECIPE, other)
    again, problems = apply_overrides(after, [text])
    assert problems == []
    assert again == after


names = st.text("abcdefgh_", min_size=1, max_size=6)


@given(st.lists(names, min_size=1, max_size=4), scalars)
def test_new_paths_are_made(path: list[str], value: Any) -> None:
    made, problems = apply_overrides({}, [f"{'.'.join(path)}={json.dumps(value)}"])
    assert problems == []
    assert at(made, tuple(path)) == value
    assert len(leaves(made)) == 1

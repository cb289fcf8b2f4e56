"""A dotted path to what is no part of its family, and a strategy that nobody knows."""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

import pytest
from lightning_fabric.strategies import STRATEGY_REGISTRY

from data_tools.registry import family
from supcon_ext.recipe import RecipeError, load_recipe, parse_recipe
from supcon_ext.recipe.families import FAMILIES, load_families
from tests.fresh import supcon

load_families()
WRONG = (
    "torch.nn.Linear",
    "torch.optim.Adam",
    "torch.nn.functional.normalize",
    "collections.OrderedDict",
    "json.dumps",
    "os.path",
    "supcon_ext.recipe.schema.Recipe",
    "supcon_ext.samplers.shuffled.no_such_name",
)
PLACES = {"term": "stages.0.objective.0", "evaluator": "evaluation.0", "head": "model.projector"}


def recipe(name: str, part: Any) -> dict[str, Any]:
    stage: dict[str, Any] = {"name": "one", "epochs": 1, "objective": ["contrastive"]}
    whole: dict[str, Any] = {"name": "a", "stages": [stage]}
    if name in ("dataset", "noise", "imbalance"):
        whole["data"] = {name: part}
    elif name == "synthetic_source":
        whole["data"] = {"synthetic": [part]}
    elif name == "generator":
        source = {"kind": "generated", "generator": part, "per_class": 1}
        whole["data"] = {"synthetic": [source]}
    elif name == "backbone":
        whole["model"] = {name: part}
    elif name == "head":
        whole["model"] = {"projector": part}
    elif name == "synthetic_source":
        whole["data"] = {"synthetic": [part]}
    elif name in ("generator", "synthetic_filter"):
        source = {"kind": "generated", "generator": "transform", "per_class": 1}
        key, value = ("filters", [part]) if name == "synthetic_filter" else (name, part)
        whole["data"] = {"synthetic": [{**source, key: value}]}
    elif name == "evaluator":
        whole["evaluation"] = [part]
    elif name == "policy":
        stage["views"] = {name: part}
    elif name == "term":
        stage["objective"] = [part]
    elif name in ("selector", "weighting"):
        stage["objective"] = [{"contrastive": {name: part}}]
    else:
        stage[name] = part
    return whole


def member_of(name: str) -> Any:
    """A registered part that needs no parameter."""
    entries = [e for e in family(name) if not e.parameters.model_json_schema().get("required")]
    return entries[0].target if entries else next(iter(family(name))).target


def wrong_here(name: str) -> list[str]:
    others = [member_of(other) for other in FAMILIES if other != name]
    return [*WRONG, *(f"{each.__module__}.{each.__qualname__}" for each in others)]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_part_of_no_or_another_family_is_refused_at_its_key(name: str) -> None:
    for path in wrong_here(name):
        with pytest.raises(RecipeError) as caught:
            parse_recipe(recipe(name, path))
        (problem,) = caught.value.problems
        assert path in problem.message and f"the name of a{'n' * (name[0] in 'aeiou')} {name}" in (
            problem.message
        )
        assert problem.path.startswith(PLACES.get(name, "")) and problem.path != "stages.0"


@pytest.mark.parametrize("name", FAMILIES)
def test_an_own_part_of_the_family_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in family(name):
        target: Any = entry.target
        if inspect.isclass(target):
            mine: Any = type("Mine", (target,), {"__module__": "parts_of_mine"})
        else:
            mine = types.FunctionType(target.__code__, target.__globals__, "Mine")
            mine.__dict__.update(target.__dict__)
            mine.__annotations__ = target.__annotations__
            mine.__defaults__, mine.__kwdefaults__ = target.__defaults__, target.__kwdefaults__
        module = types.ModuleType("parts_of_mine")
        module.Mine = mine  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "parts_of_mine", module)
        found = family(name).get("parts_of_mine.Mine")
        assert found.target is mine
        assert list(found.parameters.model_fields) == list(entry.parameters.model_fields)


def test_a_function_has_to_say_what_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("parts_of_mine")
    module.mine = lambda context: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "parts_of_mine", module)
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe("policy", "parts_of_mine.mine"))
    (problem,) = caught.value.problems
    assert "does not say what it returns. Try: `-> View` in its signature" in problem.message


@pytest.mark.parametrize(
    ("given", "meant"), [("ddpp", "ddp"), ("fdsp", "fsdp"), ("ddp_spwan", "ddp_spawn")]
)
def test_an_unknown_strategy_gets_the_nearest_one(given: str, meant: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("supcon/digits", [f"compute.strategy={given}"])
    (problem,) = caught.value.problems
    assert problem.path == f"compute.strategy={given}"
    assert problem.text == (
        f"Expected the name of a strategy, but got `{given}`. Did you mean `{meant}`?"
    )


@pytest.mark.parametrize("name", ["auto", "DDP", *STRATEGY_REGISTRY.available_strategies()])
def test_what_fabric_knows_is_taken(name: str) -> None:
    loaded = load_recipe("supcon/digits", [f"compute.strategy={name}"])
    assert loaded.compute.strategy == name


@pytest.mark.parametrize(
    "override",
    [
        "compute.strategy=no_such",
        "compute.strategy=single_xla",
        "stages.0.objective.contrastive.selector=torch.nn.Linear",
        "evaluation=[torch.nn.Linear]",
    ],
)
def test_a_run_ends_before_anything_with_status_2(override: str) -> None:
    done = supcon("run", "supcon/digits", override, "tracking.uri=none", "--dry-run")
    assert done.wait() == 2, done.stderr
    assert "Traceback" not in done.stderr

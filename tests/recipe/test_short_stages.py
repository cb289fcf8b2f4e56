"""A stage that ends before its warm-up, its first selection and the like: done, and told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from data_tools.registry import Entry, family
from supcon_ext.recipe import Recipe, list_recipes, load_recipe, parse_recipe
from supcon_ext.recipe.editor import parameter_notes
from supcon_ext.recipe.families import FAMILIES, load_families
from supcon_ext.recipe.short_stages import short_stages
from supcon_ext.stage_epochs import StageEpochs
from tests.fresh import supcon

load_families()
COUNTED = [
    (entry, key, mark)
    for name in FAMILIES
    for entry in family(name)
    for key, field in entry.parameters.model_fields.items()
    for mark in field.metadata
    if isinstance(mark, StageEpochs)
]
BESIDE = {"queue": 4096, "bootstrap": 0.5, "rate": 0.2, "across_end": 0.5}
LENGTH = 3


def recipe_with(entry: Entry[Any], key: str, value: Any, mark: StageEpochs) -> Recipe:
    params = {key: value} | ({mark.beside: BESIDE[mark.beside]} if mark.beside else {})
    if entry.name == "step":
        params = {"milestones": [1]} | params
    stage: dict[str, Any] = {"name": "one", "epochs": LENGTH, "objective": ["contrastive"]}
    if entry.family == "term":
        stage["objective"] = [{entry.name: params}]
    elif entry.family == "selector":
        stage["objective"] = [{"contrastive": {"selector": {"kind": entry.name, **params}}}]
    else:
        stage[entry.family] = {"kind": entry.name, **params}
    model: dict[str, Any] = {"ema": 0.9}
    if entry.name == "ibot":
        model |= {"backbone": "vit_small_images", "patch_head": "dino"}
    return parse_recipe({"name": "a", "model": model, "stages": [stage]})


def test_what_is_counted_in_epochs_of_the_stage() -> None:
    assert {(entry.name, key) for entry, key, _ in COUNTED} == {
        ("contrastive", "refresh_from"),
        ("contrastive", "queue_warmup"),
        ("synthetic_positives", "across_epochs"),
        ("teacher_contrast", "refresh_from"),
        ("ibot", "warmup_epochs"),
        ("cross_entropy", "bootstrap_after"),
        ("sub_class_contrastive", "warmup"),
        ("co_teaching", "ramp_epochs"),
        ("constant", "warmup_epochs"),
        ("cosine", "warmup_epochs"),
        ("step", "warmup_epochs"),
        ("step", "milestones"),
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_whoever_says_epochs_is_counted_or_no_length_of_a_stage(name: str) -> None:
    marked = {(entry.name, key) for entry, key, _ in COUNTED}
    for entry in family(name):
        notes = parameter_notes(entry)
        for key, field in entry.parameters.model_fields.items():
            speaks = re.search(r"\bepochs?\b", notes.get(key, ""), re.IGNORECASE)
            of_numbers = re.search("int|float", str(field.annotation))
            if speaks and of_numbers and not key.endswith("_every"):
                assert (entry.name, key) in marked or (entry.name, key) in NO_LENGTH, key


NO_LENGTH = {("cross_entropy", "bootstrap"), ("random_k", "seed")}
"""These speak of epochs, and count none."""


@pytest.mark.parametrize(("entry", "key", "mark"), COUNTED, ids=lambda value: str(value)[:40])
def test_each_is_told_where_the_stage_is_too_short(
    entry: Entry[Any], key: str, mark: StageEpochs
) -> None:
    def told(value: float) -> list[str]:
        given: Any = [value] if key == "milestones" else value
        return short_stages(recipe_with(entry, key, given, mark))

    places = {"term": f"objective.{entry.name}", "selector": "objective.contrastive.selector"}
    place = places.get(entry.family, entry.family)
    fits, too_long = (LENGTH - 1, LENGTH) if mark.begins else (LENGTH, LENGTH + 1)
    assert told(fits) == []
    (line,) = told(too_long)
    assert line.startswith(f"stage `one` has 3 epochs, so {mark.missed}. ")
    floats = entry.family == "schedule" or entry.name == "ibot"
    number = f"{too_long:.1f}" if floats else str(too_long)
    now = f"[{number}]" if key == "milestones" else number
    bound = "below 3" if mark.begins else "to at most 3"
    assert line.endswith(f"To change that, set stages.one.{place}.{key} (now {now}) {bound}")


def test_nothing_is_told_of_what_is_not_in_use() -> None:
    objective = [
        {"contrastive": {"queue": 0, "queue_warmup": 9}},
        {"cross_entropy": {"bootstrap": 0.0, "bootstrap_after": 9}},
    ]
    stage = {"name": "one", "epochs": 1, "objective": objective}
    assert short_stages(parse_recipe({"name": "a", "stages": [stage]})) == []


def test_of_two_terms_of_one_name_the_place_is_named() -> None:
    objective = [{"contrastive": {}}, {"contrastive": {"refresh_from": 2}}]
    stage = {"name": "one", "epochs": 2, "objective": objective}
    (line,) = short_stages(parse_recipe({"name": "a", "stages": [stage]}))
    assert "set stages.one.objective.1.contrastive.refresh_from (now 2) below 2" in line


@pytest.mark.parametrize("name", [info.name for info in list_recipes() if not info.is_sweep])
def test_every_shipped_recipe_can_be_tried_for_an_epoch(name: str) -> None:
    whole = load_recipe(name)
    assert short_stages(whole) == []
    shorter = [f"stages.{stage.name}.epochs=1" for stage in whole.stages]
    lines = short_stages(load_recipe(name, shorter))
    keys = [re.search(r"set (\S+) \(now ([^)]*)\) (below|to at most) 1", line) for line in lines]
    assert all(keys)
    as_told = [
        f"{found[1]}={'[0.5]' if found[2][0] == '[' else 1 if found[3] == 'to at most' else 0}"
        for found in keys
        if found
    ]
    assert short_stages(load_recipe(name, [*shorter, *as_told])) == []


TRY = ("supcon/digits", "stages.0.epochs=1", "stages.0.schedule.warmup_epochs=2")
TOLD = (
    "warning: stage `train` has 1 epoch, so the learning rate stays below its full height. To "
    "change that, set stages.train.schedule.warmup_epochs (now 2.0) to at most 1"
)


@pytest.mark.parametrize("command", [("validate",), ("run", "--dry-run")], ids=lambda c: c[0])
def test_the_commands_tell_it_once_and_go_on(command: tuple[str, ...]) -> None:
    done = supcon(*command, *TRY)
    assert done.wait() == 0
    assert " ".join(done.stderr.split()).count(TOLD) == 1

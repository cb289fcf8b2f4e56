"""What the head of a run says of its cost, and how many workers it really has."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from supcon_ext.evaluation.classifier import Classifier
from supcon_ext.evaluation.knn import KNN
from supcon_ext.experiment.outlook import (
    further_lines,
    mean_rows,
    planned_work,
    rows_of_epoch,
    what_makes_it_shorter,
)
from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.recipe import list_recipes, load_recipe, to_yaml
from supcon_ext.recipe.reading import read_text
from tests.experiment import members
from tests.experiment.counted_work import counted_work, prepared
from tests.fresh import start_supcon


@pytest.mark.parametrize(
    ("cores", "wanted", "processes", "workers"),
    [(2, 8, 1, 2), (8, 2, 1, 2), (8, 8, 4, 2), (2, 8, 4, 1), (1, 0, 1, 0), (16, 8, 1, 8)],
)
def test_no_more_workers_than_cores(
    cores: int, wanted: int, processes: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    assert workers_at_hand(wanted, processes) == workers
    recipe = load_recipe("supcon/digits", [f"compute.workers={wanted}"])
    assert ("workers" in further_lines(recipe, processes)) == (workers < wanted)


def of_terms() -> dict[str, Any]:
    """A stage for each term, some of them with a queue or Mixup, and every measure."""
    names = [name for name in members.members("term") if name not in members.ASKING]
    stages = []
    for number, name in enumerate(names):
        selector = "disagreement" if name == "co_teaching" else ("bmm", "label")[number % 2]
        stages.append({**members.stage(number, selector, "uniform", name), "name": name})
    sgd = {"kind": "linear_probe", "solver": "sgd", "epochs": 3, "lr": 0.1}
    tuned = {"kind": "fine_tune", "epochs": 2, "batch_size": 24}
    evaluation = ["classifier", sgd, {"kind": "calibration", "of": sgd}, tuned, "knn"]
    text = members.recipe(stages, validate_every=3, evaluation=evaluation)
    return {**text, "data": {**text["data"], "validation": 0.1}}


def of_captions() -> dict[str, Any]:
    """Terms that ask for captions, or for tokens, the last without another of the twin's passes."""
    text = members.synclr()
    (first, second) = text["stages"]
    ibot = {"ibot": {"views": "global", "masked_images": 0.25}}
    image_text = {"image_text": {"vectors": "captions.npz", "views": "local"}}
    sampler = {"kind": "captions", "images": 3}
    alone = {**second, "name": "c", "objective": [ibot, "contrastive"], "sampler": sampler}
    four = {**alone, "name": "d", "objective": [image_text]}
    shared = {**first, "objective": [ibot, first["objective"][0]]}
    data = {**text["data"], "synthetic": ["few_made"]}
    return {**text, "data": data, "stages": [shared, second, alone, four]}


def of_vectors() -> dict[str, Any]:
    """The same on vectors, of which the encoder is frozen."""
    stages = [members.stage(number, "label", "balanced", "paco") for number in range(2)]
    text = members.on_vectors(stages, validate_every=1, evaluation=["knn"])
    return {**text, "model": {**text["model"], "freeze": "all"}}


@pytest.mark.parametrize("made", [of_terms, of_captions, of_vectors])
def test_the_work_planned_is_the_work_done(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    captions, vectors = [f"digit {number}" for number in range(9)], np.eye(9, 5) + 1
    np.savez("captions.npz", captions=captions, vectors=vectors)
    recipe, ready, progress = prepared(made())
    planned = {part.name: part.amount for part in planned_work(ready)}
    found = counted_work(recipe, ready, progress, tmp_path)
    assert list(planned) == [stage.name for stage in recipe.stages] + ["evaluation"]
    for name, amount in planned.items():
        assert found.get(name, 0.0) == pytest.approx(amount, rel=0.03), name


def test_every_term_is_among_them() -> None:
    stages = [stage for made in (of_terms(), of_captions()) for stage in made["stages"]]
    kinds = {kind if isinstance(kind, str) else next(iter(kind))
             for stage in stages for kind in stage["objective"]}  # fmt: skip
    assert kinds == set(members.members("term"))


SMALLER = {"neighbours": 8, "size": 4}
"""Numbers that a few digits of 8 pixels allow."""


def shipped_small(name: str) -> dict[str, Any]:
    """A shipped recipe on a few digits or vectors, with a small encoder."""
    text = read_text(to_yaml(load_recipe(name))).value
    vectors, tokens = name.startswith("features/"), name.startswith("synclr/")
    few = {"epochs": 2, "batch_size": 24, "drop_last": False}
    model = {**text["model"], "weights": None, "projector": {"hidden": 8, "dim": 8}}
    if tokens:
        theirs = members.synclr()["model"]
        model |= {key: theirs[key] for key in model.keys() & theirs.keys() if model[key]}
    elif not vectors:
        model["backbone"] = {"kind": "conv4", "width": 2}
    data = {"dataset": "few_vectors" if vectors else "few_digits", "validation": 0.1}
    data |= {"synthetic": ["few_made"]} if text["data"]["synthetic"] else {}
    kept = {key: text[key] for key in ("validate_every", "checkpoint", "evaluation")}
    small = members.recipe([{**stage, **few} for stage in smaller(text["stages"])])
    return {**small, "model": model, "data": data, **kept}


def smaller(value: Any) -> Any:
    """What stages say, with smaller numbers."""
    if isinstance(value, list):
        return [smaller(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: min(each, SMALLER[key]) if key in SMALLER and each else smaller(each)
        for key, each in value.items()
    }


SHIPPED = [info for info in list_recipes() if not info.is_sweep]


FEW = (
    "quickstart",
    "default",
    "bcl/digits",
    "selcl/cifar10",
    "features/linear",
    "synclr/synclr-small",
)


@pytest.mark.parametrize(
    "info",
    [
        pytest.param(each, id=each.name, marks=[] if each.name in FEW else pytest.mark.long)
        for each in SHIPPED
    ],
)
def test_the_work_planned_of_shipped_recipes(info: Any, tmp_path: Path) -> None:
    recipe, ready, progress = prepared(shipped_small(info.name))
    planned = {part.name: part.amount for part in planned_work(ready)}
    found = counted_work(recipe, ready, progress, tmp_path)
    for stage in recipe.stages:  # who will be trusted is not known before; at first all are
        if stage.sampler.params.get("only") == "trusted":
            assert 0 < found.pop(stage.name) <= planned.pop(stage.name)
    assert found == pytest.approx(planned, rel=0.03)


@pytest.mark.parametrize("info", SHIPPED, ids=lambda info: info.name)
def test_what_makes_it_shorter_is_taken(info) -> None:  # type: ignore[no-untyped-def]
    smaller = {"epochs": "12", "image_size": "32", "backbone": "conv4"}
    keys = what_makes_it_shorter(load_recipe(info.path))
    given = [key.replace("...", smaller[key[:-4].rpartition(".")[2]]) for key in keys]
    made = load_recipe(info.path, given)
    assert made.model.backbone.kind == "conv4" and 12 in {stage.epochs for stage in made.stages}


@pytest.mark.parametrize("term", ["cross_entropy", None])
def test_validation_by_the_classifier_needs_no_training_split(term: str | None) -> None:
    text = members.recipe([members.stage(0, "label", "uniform", term)], validate_every=1)
    text["data"]["validation"] = 0.2
    _, made, _ = prepared(text)
    network, measurer = made.trainer.network, made.measurer
    found = measurer.validate(network)
    whole = measurer.input(network, test=False)
    name, quick = ("classifier", Classifier()) if term else ("knn", KNN())
    told = quick.evaluate(whole, "validation").metrics
    kinds = ("accuracy", "balanced_accuracy")
    assert found == {**{f"{name}/{kind}": told[kind] for kind in kinds}, "score": told["accuracy"]}
    assert len(measurer.input(network, test=False, fitted=not term).train) == (0 if term else 64)


def test_the_rows_planned_are_those_of_the_feed() -> None:
    stages = []
    for number, name in enumerate(members.members("sampler")):
        for drop_last in (True, False):
            given = members.given("sampler", name)
            stage = members.stage(0, "label", "uniform", sampler=given, drop_last=drop_last)
            stages.append({**stage, "name": f"{name}_{number}_{drop_last}"})
    growing = {"kind": "with_synthetic", "share": 0.1, "share_end": 0.8}
    stages.append(members.stage(0, "label", "uniform", sampler=growing, epochs=12))
    _, made, _ = prepared(members.recipe(stages))
    trainer = made.trainer
    for number, stage in enumerate(trainer.stages):
        rows = []
        for epoch in range(stage.epochs):
            plan = trainer.epoch_plan(number, epoch)
            batches = list(trainer.stage_feed(number).epoch(plan))
            rows.append(sum(group.samples for batch in batches for group in batch.values()))
            assert rows_of_epoch(trainer, number, epoch) == rows[-1], stage.name
        assert mean_rows(trainer, number) == pytest.approx(sum(rows) / len(rows), rel=0.1)


def test_a_run_without_a_terminal_speaks_before_its_first_step(tmp_path: Path) -> None:
    told = start_supcon(
        "run",
        "supcon/digits",
        "tracking.uri=none",
        "stages.train.epochs=2",
        "compute.workers=900",
        cwd=tmp_path,
    )
    told.wait_for(lambda: "about" in told.stderr)
    told.send(signal.SIGTERM)
    assert told.wait() == 143, told.stderr
    lines = told.stderr.splitlines()
    assert any(line.startswith("  workers ") and "not 900" in line for line in lines)
    assert any(line.startswith("train  2 epochs of ") for line in lines)

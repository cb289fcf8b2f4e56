"""Selections watched through a run: what is logged, kept, drawn and resumed; who sees the truth."""

from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_tools.shot_groups import by_ranges
from supcon_ext.experiment import dry_run, result_rows, resume, run
from supcon_ext.experiment.selection_watch import SelectionWatch
from supcon_ext.interrupt import Interrupted
from supcon_ext.recipe import parse_recipe
from supcon_ext.selectors.base import Role, SampleBank, Selection
from supcon_ext.selectors.label import Label
from supcon_ext.tracking.results import read_metrics, read_results, same_metrics
from supcon_ext.tracking.selection_history import read_selections
from supcon_ext.training.loop import Trainer
from supcon_ext.training.observers import Refreshed
from tests.experiment.tiny import recipe

GIVEN = np.array([0, 0, 0, 1, 1, 1])
TRUTH = np.array([0, 0, 1, 1, 1, -1])
GROUPS = by_ranges(many=[0], medium=[1], few=[], classes=2)


def watch(folder: Path, truth: np.ndarray | None = TRUTH, every: int = 1) -> SelectionWatch:
    return SelectionWatch(folder, GIVEN, truth, ["a", "b"], GROUPS, checkpoint_every=every)


def seen(epoch: int, trust: list[float], predicted: list[int] | None = None) -> Refreshed:
    label = torch.from_numpy(GIVEN)
    bank = SampleBank(torch.arange(6), label, 2)
    selection = Selection.of(label, torch.tensor(trust))
    classes = None if predicted is None else torch.tensor(predicted)
    return Refreshed(selection, bank, Label(), "select", epoch, classes)


def test_numbers_of_one_selection(tmp_path: Path) -> None:
    predicted = [0, 0, 1, 1, 0, 1]
    found = watch(tmp_path)(seen(0, [0.9, 0.2, 0.6, 1.0, 0.7, 0.1], predicted))
    assert found["precision"] == 0.75 and found["recall"] == 0.75
    assert found["auc"] == 7 / 8
    assert (
        found["estimated_noise_rate"] == pytest.approx(found["noise_rate"]) == pytest.approx(1 / 3)
    )
    assert found["mislabelled_predicted_true"] == found["mislabelled_predicted_given"] == 0.5
    assert found["clean_predicted_right"] == 0.75
    assert found["pair_precision"] == pytest.approx(2 / 6)
    assert found["pair_positives"] == 2.0
    assert "churn" not in found and found["recall_many"] == 0.5


def test_without_truth_there_are_counts_and_churn_alone(tmp_path: Path) -> None:
    told = watch(tmp_path, truth=None)
    told(seen(0, [1.0] * 6, [0] * 6))
    found = told(seen(1, [1.0] * 3 + [0.0] * 3, [0] * 6))
    assert set(found) == {
        "selected",
        "relabelled",
        "estimated_noise_rate",
        "churn",
        "pair_positives",
        "pair_lonely",
    }
    assert found["churn"] == 0.5
    drawn, tables = told.draw(), told.write_tables()
    assert [path.name for path in drawn] == ["selection_scores.png"]
    with tables[1].open() as file:
        believed = [f"estimated_noise_{end}" for end in ("rate", "low", "high")]
        counted = ["class", "name", "group", "samples", "selected", "trusted", "corrected"]
        assert next(csv.reader(file)) == [*counted, *believed]


def test_dropped_samples_are_not_selected(tmp_path: Path) -> None:
    before = seen(0, [1.0] * 6)
    role = torch.tensor([int(Role.DROPPED)] + [0] * 5, dtype=torch.int8)
    found = watch(tmp_path)(replace(before, selection=replace(before.selection, role=role)))
    assert found["selected"] == 5.0


def test_a_resumed_run_goes_on_from_the_selection_before(tmp_path: Path) -> None:
    """Epochs 0 to 4; then a new watch sees epoch 3 again, and later ones are gone."""
    trust = np.random.default_rng(0).random((6, 6)).round().tolist()
    first = watch(tmp_path, every=2)
    rows = [first(seen(epoch, trust[epoch])) for epoch in range(5)]
    again = watch(tmp_path, every=2)
    assert again(seen(3, trust[3])) == rows[3]
    table = read_selections(tmp_path)
    assert [row.pop("epoch") for row in table] == [0, 1, 2, 3]
    assert {row.pop("stage") for row in table} == {"select"}
    assert table == rows[:4]
    assert sorted(place.stem for place in (tmp_path / "selection").iterdir()) == [
        "epoch_00001",
        "epoch_00002",
        "epoch_00003",
    ]
    assert again(seen(4, trust[4])) == rows[4]


def test_old_selections_are_deleted(tmp_path: Path) -> None:
    watched = watch(tmp_path, every=3)
    for epoch in range(0, 20, 2):
        watched(seen(epoch, [1.0] * 6))
    kept = sorted(path.name for path in (tmp_path / "selection").iterdir())
    assert kept == ["epoch_00014.npz", "epoch_00016.npz", "epoch_00018.npz"]
    assert len(read_selections(tmp_path)) == 10


def selecting(selector: Any, **changes: Any) -> dict[str, Any]:
    stage = {
        "name": "select",
        "epochs": 3,
        "batch_size": 128,
        "objective": [{"contrastive": {"selector": selector}}, "cross_entropy"],
        "optimizer": {"kind": "sgd", "lr": 0.05},
    }
    changes = {"stages": [stage], "evaluation": ["classifier"], "validate_every": 0, **changes}
    return recipe(plugins=[], **changes)


PAIRS = {"kind": "confident_pairs", "neighbours": 20}
SSR = {"kind": "ssr", "neighbours": 20, "theta_r": 0.5}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    step, truths = Trainer._step, []

    def spying(self: Trainer, *args: Any) -> Any:
        truths.append(self.data.truth)
        return step(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", spying)
        run(parse_recipe(selecting(PAIRS)), folder=folder)
    assert truths and all(truth is None for truth in truths)
    return folder


def test_a_run_logs_keeps_and_draws(whole: Path) -> None:
    metrics = read_metrics(whole)
    results = read_results(whole)["selection"]
    assert len(metrics["selection/precision"]) == 3
    assert len(metrics["selection/churn"]) == 2
    assert metrics["selection/precision"][-1][1] == results["precision"]
    assert (results["stage"], results["epoch"]) == ("select", 2)
    assert 0 < results["precision"] <= 1 and 0 < results["pair_precision"] <= 1
    assert results["noise_rate"] == pytest.approx(0.27, abs=0.06)
    kinds = ("true", "given", "other")
    assert sum(results[f"mislabelled_predicted_{kind}"] for kind in kinds) == pytest.approx(1)
    drawn = ("scores", "quality", "pairs", "memorisation")
    for name in (f"selection_{kind}" for kind in drawn):
        assert (whole / "figures" / f"{name}.png").stat().st_size > 1000
    assert [row["precision"] for row in read_selections(whole)] == [
        value for _, value in metrics["selection/precision"]
    ]
    with (whole / "tables" / "selection_classes.csv").open() as file:
        classes = list(csv.DictReader(file))
    assert len(classes) == 10
    selected = sum(int(row["selected"]) for row in classes)
    assert selected == results["selected"]
    assert result_rows(read_results(whole))[0]["selection_precision"] == results["precision"]


@pytest.mark.parametrize("stop", [1, 2])
def test_interrupted_and_resumed_it_has_the_same_rows(
    stop: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after so many epochs and one step."""
    steps = read_results(whole)["steps"] // 3
    folder, step = tmp_path / "stopped", Trainer._step

    def stopping(self: Trainer, *args: Any) -> Any:
        made = step(self, *args)
        if self.at.global_step == stop * steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", stopping)
        with pytest.raises(Interrupted):
            run(parse_recipe(selecting(PAIRS)), folder=folder)
    resume(folder)
    assert same_metrics(folder, whole) == []
    for name in ("selection.csv", "selection_classes.csv"):
        assert (folder / "tables" / name).read_text() == (whole / "tables" / name).read_text()


def test_a_selector_with_logits_and_corrections(tmp_path: Path) -> None:
    found = run(parse_recipe(selecting(SSR)), folder=tmp_path).results["selection"]
    kinds = ("true", "given", "other")
    assert sum(found[f"mislabelled_predicted_{kind}"] for kind in kinds) == pytest.approx(1)
    assert {"repair_rate", "damage_rate", "correction_accuracy"} <= set(found)
    assert (tmp_path / "figures" / "selection_memorisation.png").is_file()


def test_without_a_trained_classifier_nothing_is_said_of_memorisation(tmp_path: Path) -> None:
    made = selecting(PAIRS, evaluation=["knn"])
    made["stages"][0]["objective"] = [{"contrastive": {"selector": PAIRS}}]
    found = run(parse_recipe(made), folder=tmp_path).results["selection"]
    assert "precision" in found and "mislabelled_predicted_given" not in found


def test_a_run_that_selects_nothing_has_no_selection(tmp_path: Path) -> None:
    folder = tmp_path / "label"
    found = run(parse_recipe(selecting("label")), folder=folder).results
    assert "selection" not in found and not (folder / "tables" / "selection.csv").exists()
    assert "selection_precision" not in result_rows(found)[0]


@pytest.mark.parametrize(("selector", "granted"), [(PAIRS, False), (SSR, False), ("oracle", True)])
def test_only_the_oracle_trains_with_the_truth_and_trying_writes_nothing(
    selector: Any, granted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, found = Trainer._step, []

    def spying(self: Trainer, *args: Any) -> Any:
        found.append(self.data.truth is not None)
        return step(self, *args)

    monkeypatch.setattr(Trainer, "_step", spying)
    dry_run(
        parse_recipe(selecting(selector, tracking={"uri": "none", "folder": str(tmp_path / "r")}))
    )
    assert found == [granted]
    assert list(tmp_path.iterdir()) == []

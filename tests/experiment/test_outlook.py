"""What the head of a run says of its cost, and how many workers it really has."""

from __future__ import annotations

import signal
from pathlib import Path

import joblib
import pytest

from supcon_ext.experiment.outlook import further_lines, planned_work, what_makes_it_shorter
from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.progress.outlook import Work
from supcon_ext.recipe import list_recipes, load_recipe
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


def test_the_work_of_every_part() -> None:
    recipe = load_recipe("selcl/folder", ["validate_every=10", "stages.select.views.count=3"])
    assert planned_work(recipe, 900, 90, 210) == [
        Work("warmup", 20 * (2 * 900 + 3)),
        Work("select", 80 * (3 * 900 + 3)),
        Work("evaluation", pytest.approx(2 * 1_200 / 3)),
    ]
    assert what_makes_it_shorter(recipe) == [
        "stages.select.epochs=...",
        "data.image_size=...",
        "model.backbone=...",
    ]


SHIPPED = [info for info in list_recipes() if not info.is_sweep]


@pytest.mark.parametrize("info", SHIPPED, ids=lambda info: info.name)
def test_what_makes_it_shorter_is_taken(info) -> None:  # type: ignore[no-untyped-def]
    smaller = {"epochs": "12", "image_size": "32", "backbone": "conv4"}
    keys = what_makes_it_shorter(load_recipe(info.path))
    given = [key.replace("...", smaller[key[:-4].rpartition(".")[2]]) for key in keys]
    made = load_recipe(info.path, given)
    assert made.model.backbone.kind == "conv4" and 12 in {stage.epochs for stage in made.stages}


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

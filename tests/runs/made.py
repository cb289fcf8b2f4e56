"""Folders of runs and sweeps as runs leave them, made in no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from supcon_ext.tracking import Tracker, TrackingSettings

RESULTS: dict[str, Any] = {
    "name": "toy",
    "seed": 3,
    "headline": "knn",
    "epochs": 2,
    "imbalance_factor": {"train": 10.0},
    "last": {
        "test": {
            "knn": {"accuracy": 0.75, "balanced_accuracy": 0.5, "worst_class": 0.25, "ece": None},
            "linear_probe": {"accuracy": 0.7},
        }
    },
}


def journal(folder: Path, *status: str) -> None:
    """A journal of a folder; without a status its process was killed."""
    tracker = Tracker(folder, TrackingSettings("none"), run_name=folder.name, tags={})
    tracker.metrics({"train/loss": 1.0}, 1)
    if status:
        tracker.close(status[0])  # type: ignore[arg-type]
    (folder / "run.lock").touch()


def run(folder: Path, *status: str, **results: Any) -> Path:
    """A run's folder; a finished one has results."""
    journal(folder, *status)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"name": "toy", "seed": 3}))
    if status == ("FINISHED",):
        (folder / "results.json").write_text(json.dumps({**RESULTS, **results}))
        (folder / "files.json").write_text(
            json.dumps({"files": {"recipe.yaml": "", "results.json": ""}})
        )
    if status == ("FAILED",):
        (folder / "error.txt").write_text("Traceback\n  somewhere\nRuntimeError: no memory\n")
    return folder


def sweep(folder: Path, *status: str, count: int = 2) -> Path:
    """A sweep's folder, with finished runs."""
    journal(folder, *status)
    for seed in range(count):
        child = run(folder / f"one-s{seed}", "FINISHED", seed=seed)
        place = {"variant": {"method": "one"}, "seed": seed}
        (child / "variant.json").write_text(json.dumps(place))
    return folder

"""Runs and sweeps as a list tells of them: every state, exact times, what is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from supcon_ext.experiment.lock import lock
from supcon_ext.runs.found import describe, find_runs
from supcon_ext.tracking.run_times import RunTimes, run_times
from tests.runs import made


def broken(name: str, text: str | None) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made.run(folder, "FINISHED")
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
        return folder

    return make


CASES: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "finished": (lambda folder: made.run(folder, "FINISHED"), "finished", ""),
    "stopped": (lambda folder: made.run(folder, "KILLED"), "stopped", ""),
    "killed": (lambda folder: made.run(folder), "stopped", ""),
    "failed": (lambda folder: made.run(folder, "FAILED"), "failed", "RuntimeError: no memory"),
    "no results": (
        broken("results.json", None),
        "damaged",
        "results.json is missing or damaged",
    ),
    "torn results": (
        broken("results.json", '{"last"'),
        "damaged",
        "results.json is missing or damaged",
    ),
    "other results": (
        broken("results.json", '{"last": 3}'),
        "damaged",
        "results.json is missing or damaged",
    ),
    "no digests": (broken("files.json", None), "damaged", "files.json is missing"),
    "a file gone": (
        broken("files.json", '{"files": {"encoder.pt2": ""}}'),
        "damaged",
        "encoder.pt2 is missing",
    ),
    "no journal": (broken("journal.jsonl", None), "damaged", "journal.jsonl is missing"),
    "empty journal": (broken("journal.jsonl", ""), "damaged", "journal.jsonl is damaged"),
    "torn journal": (
        broken("journal.jsonl", '{"event":"status"}\n'),
        "damaged",
        "journal.jsonl is damaged",
    ),
    "recipe is none": (
        broken("recipe.yaml", "- [\n"),
        "damaged",
        "recipe.yaml is missing or damaged",
    ),
    "sweep": (lambda folder: made.sweep(folder, "FINISHED"), "finished", ""),
    "sweep that was killed": (lambda folder: made.sweep(folder), "stopped", ""),
    "sweep with failures": (lambda folder: made.sweep(folder, "FAILED"), "failed", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_every_state(case: str, tmp_path: Path) -> None:
    make, state, why = CASES[case]
    found = describe(make(tmp_path / "toy-s3"))
    assert (found.state, found.why) == (state, why)
    assert found.size == sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) > 0


@pytest.mark.parametrize("make", [made.run, made.sweep], ids=["run", "sweep"])
def test_running_is_what_holds_the_lock(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path / "toy")
    with lock(folder):
        found = describe(folder)
        assert found.state == "running"
        assert found.seconds is not None and 0 <= found.seconds < 60
    assert describe(folder).state == "stopped"


def test_figures_stand_as_in_the_runs_own_table(tmp_path: Path) -> None:
    found = describe(made.run(tmp_path / "long-tailed", "FINISHED"))
    assert (found.name, found.seed, found.evaluator) == ("toy", 3, "knn")
    # long-tailed: what cannot hide a lost class stands first; what has no value is left out
    assert [*found.figures.items()] == [
        ("balanced_accuracy", 0.5),
        ("worst_class", 0.25),
        ("accuracy", 0.75),
    ]
    even = describe(made.run(tmp_path / "even", "FINISHED", imbalance_factor={"train": 1.0}))
    assert next(iter(even.figures)) == "accuracy"


def test_newest_first_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        made.run(tmp_path / name, "FINISHED")
    for name, began in (("a", 3), ("b", 1), ("c", 2)):
        lines = [{"event": "status", "status": s, "time": began} for s in ("RUNNING", "FINISHED")]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (tmp_path / name / "journal.jsonl").write_text(text)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert [each.folder.name for each in find_runs(tmp_path)] == ["a", "c", "b"]


def test_times_are_those_of_the_processes(tmp_path: Path) -> None:
    def line(kind: str, time: int) -> str:
        record = {"event": "status", "status": kind, "time": time}
        if kind == "loss":
            record = {"event": "metric", "key": "x", "value": 1.0, "step": 1, "time": time}
        return json.dumps(record, separators=(",", ":")) + "\n"

    path = tmp_path / "journal.jsonl"
    told = [("RUNNING", 1_000), ("loss", 6_000), ("RUNNING", 100_000), ("loss", 101_000)]
    path.write_text("".join(line(*each) for each in told))
    # killed at 6 s or later, gone on with for one second, and killed again
    assert run_times(path, running=False) == RunTimes(1.0, 6.0, "RUNNING")
    path.write_text("".join(line(*each) for each in [*told, ("FINISHED", 103_500)]))
    assert run_times(path, running=False) == RunTimes(1.0, 8.5, "FINISHED")
    # measured on other data long after
    later = [*told, ("FINISHED", 103_500), ("loss", 900_000), ("FINISHED", 900_000)]
    path.write_text("".join(line(*each) for each in later) + '{"event":"status","sta')
    assert run_times(path, running=False) == RunTimes(1.0, 8.5, "FINISHED")

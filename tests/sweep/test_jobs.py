"""Sweeps whose runs are side by side: the same results, failures told, interrupts passed on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from supcon_ext.cli import main
from supcon_ext.interrupt import Interrupted
from supcon_ext.recipe import RecipeError
from supcon_ext.sweep import check_jobs, jobs_at_hand, load_sweep, run_sweep
from supcon_ext.sweep.jobs import CONSOLE
from supcon_ext.tracking.results import read_results
from tests.sweep.test_sweep import stage, sweep_file


def metrics(folder: Path) -> Any:
    found = read_results(folder)
    return found["last"], found["headline"]


@pytest.mark.long
def test_side_by_side_equals_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = {"method": {"ce": {"stages": [stage("cross_entropy")]}, "supcon": None}}
    path = sweep_file(tmp_path, seeds=[3], grid=grid)
    beside = run_sweep(load_sweep(path), jobs=2)
    names = sorted(p.parent.name for p in beside.folder.glob("*/results.json"))
    assert beside.failed == [] and len(names) == 2
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // 2))
    try:
        alone = run_sweep(load_sweep(path), again=True)
    finally:
        torch.set_num_threads(threads)
    assert alone.folder != beside.folder
    for name in names:
        assert metrics(beside.folder / name) == metrics(alone.folder / name)
        assert "train  epoch 1/1" in (beside.folder / f"{name}.{CONSOLE}").read_text()
    assert beside.comparison is not None and len(beside.comparison.rows) == 4


@pytest.mark.long
def test_a_run_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = {"kind": "arrays", "file": str(tmp_path / "missing.npz")}
    grid = {"method": {"good": None, "broken": {"data": {"dataset": missing}}}}
    result = run_sweep(load_sweep(sweep_file(tmp_path, seeds=[0], grid=grid)), jobs=2)
    assert result.failed == ["broken-s0"]
    assert not result.began and not (result.folder / "broken-s0").exists()
    assert (result.folder / "good-s0" / "results.json").is_file()
    told = capfd.readouterr().err
    assert "[2/2]" in told and "missing.npz" in told


@pytest.mark.long
def test_a_signal_stops_every_run_which_saves_itself(tmp_path: Path) -> None:
    long = {"long": {"stages": [stage("contrastive", epochs=400)]}}
    path = sweep_file(tmp_path, seeds=[0, 1, 2, 3], grid={"method": long})
    sweep = load_sweep(path)
    folder = tmp_path / "runs" / f"{sweep.name}-{sweep.digest[:6]}"

    def stop_when_training() -> None:
        consoles = [folder / f"long-s{seed}.{CONSOLE}" for seed in (0, 1)]
        while not all(c.is_file() and "train  epoch" in c.read_text() for c in consoles):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_training, daemon=True).start()
    with pytest.raises(Interrupted, match="give the same command again"):
        run_sweep(sweep, jobs=2)
    assert len(list(folder.glob("*/checkpoints/last.pt"))) == 2
    assert not list(folder.glob("*/results.json"))
    assert sorted(p.parent.name for p in folder.glob("*/recipe.yaml")) == ["long-s0", "long-s1"]
    assert all("KILLED" in (folder / f"long-s{s}" / "journal.jsonl").read_text() for s in (0, 1))


def test_several_devices_go_with_one_job_alone(tmp_path: Path) -> None:
    sweep = load_sweep(sweep_file(tmp_path), ["compute.devices=2"])
    check_jobs(sweep.children, 1)
    with pytest.raises(ValueError, match="Try: --jobs 1"):
        check_jobs(sweep.children, 2)
    path = str(sweep_file(tmp_path))
    told = CliRunner().invoke(main, ["sweep", path, "compute.devices=2", "--jobs", "2"])
    assert told.exit_code == 2 and "--jobs 1" in told.output


@pytest.mark.parametrize(
    ("cores", "overrides", "world", "expected"),
    [
        (8, [], "1", 3),
        (2, [], "1", 2),
        (1, [], "1", 1),
        (8, ["compute.devices=2"], "1", 1),
        (8, [], "2", 1),
    ],
)
def test_as_many_jobs_as_the_file_says_and_the_machine_has_cores(
    cores: int,
    overrides: list[str],
    world: str,
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supcon_ext.sweep.jobs.joblib.cpu_count", lambda: cores)
    monkeypatch.setenv("WORLD_SIZE", world)
    sweep = load_sweep(sweep_file(tmp_path, jobs=3), overrides)
    assert jobs_at_hand(sweep.children, sweep.jobs) == expected


@pytest.mark.parametrize(
    ("command", "said", "given", "expected"),
    [
        ("run", None, None, 1),
        ("run", 2, None, 2),
        ("sweep", None, None, 1),
        ("sweep", 2, None, 2),
        ("sweep", 2, "1", 1),
        ("sweep", None, "3", 3),
    ],
)
def test_what_is_given_goes_before_what_the_file_says(
    command: str,
    said: int | None,
    given: str | None,
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("supcon_ext.sweep.jobs.joblib.cpu_count", lambda: 4)
    asked: list[int] = []

    def ask(sweep: Any, *, only: Any, again: bool, jobs: int) -> None:
        asked.append(jobs)
        raise Interrupted("SIGTERM", signal.SIGTERM)  # enough is known

    monkeypatch.setattr("supcon_ext.sweep.run_sweep", ask)
    path = sweep_file(tmp_path) if said is None else sweep_file(tmp_path, jobs=said)
    options = [] if given is None else ["--jobs", given]
    CliRunner().invoke(main, [command, str(path), *options])
    assert asked == [expected]


def test_the_quickstart_trains_side_by_side() -> None:
    assert load_sweep("quickstart").jobs == 2


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "two", None, True])
def test_a_number_of_jobs_that_is_none_is_told_with_its_line(jobs: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="jobs") as told:
        load_sweep(sweep_file(tmp_path, jobs=jobs))
    assert told.value.problems[0].line is not None


@pytest.mark.parametrize("seeds", [[True], [-1], [0.5], ["0"], []])
def test_seeds_that_are_none_are_told_with_their_line(seeds: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="seeds") as told:
        load_sweep(sweep_file(tmp_path, seeds=seeds))
    assert told.value.problems[0].line is not None

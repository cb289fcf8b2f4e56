"""Runs go after a question; what runs, or is no run, stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from supcon_ext.cli import main
from supcon_ext.experiment.lock import lock
from tests.runs import made


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def supcon(*arguments: str, said: str | None = None) -> Result:
    return CliRunner().invoke(main, ["runs", "remove", *arguments], input=said)


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_ino for path in folder.rglob("*")}


def recipe_alone(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "recipe.yaml").write_text("name: mine\n")
    (place / "picture.png").write_text("x")
    return place


def with_pictures(place: Path) -> Path:
    made.sweep(place, "FINISHED")
    (place / "pictures").mkdir()
    (place / "pictures" / "a.png").write_text("x")
    return place


def linked(place: Path) -> Path:
    made.run(place.parent / "elsewhere", "FINISHED")
    place.symlink_to(place.parent / "elsewhere", target_is_directory=True)
    return place


def plain(place: Path) -> Path:
    place.mkdir(parents=True)
    return place


REFUSED: dict[str, Callable[[Path], Path]] = {
    "a folder": plain,
    "a recipe's folder": recipe_alone,
    "a sweep with pictures": with_pictures,
    "a link": linked,
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_run_stays(case: str, folder: Path) -> None:
    REFUSED[case](folder / "runs" / "toy")
    made.run(folder / "runs" / "sound", "FINISHED")
    before = everything(folder)
    told = supcon("sound", "toy", "--yes")
    assert told.exit_code == 2 and "Expected" in told.stderr and not told.stdout
    assert everything(folder) == before


def test_the_folder_that_one_is_in_stays(folder: Path) -> None:
    run = made.run(folder / "runs" / "toy", "FINISHED")
    os.chdir(run)
    assert supcon(str(run), "--yes").exit_code == 2
    assert run.is_dir()


@pytest.mark.parametrize("held", ["toy", "sweep", "sweep/one-s1"])
def test_what_is_running_stays_with_all_others(held: str, folder: Path) -> None:
    made.run(folder / "runs" / "toy")
    made.sweep(folder / "runs" / "sweep")
    with lock(folder / "runs" / held):
        before = everything(folder / "runs")
        told = supcon("toy", "sweep", "--yes")
        assert told.exit_code == 2 and "is running. Nothing was removed." in told.stderr
        assert everything(folder / "runs") == before


@pytest.mark.parametrize("said", ["n\n", "\n", ""])
def test_without_a_yes_nothing_goes(said: str, folder: Path) -> None:
    run = made.run(folder / "runs" / "toy", "FINISHED")
    before = everything(run)
    supcon("toy", said=said)
    assert everything(run) == before


@pytest.mark.parametrize("make", [made.run, made.sweep], ids=["run", "sweep"])
@pytest.mark.parametrize("status", [(), ("FINISHED",), ("FAILED",), ("KILLED",)], ids=str)
def test_what_is_asked_for_goes(
    make: Callable[..., Path], status: tuple[str, ...], folder: Path
) -> None:
    make(folder / "runs" / "toy", *status)
    made.run(folder / "runs" / "other", "FINISHED")
    told = supcon("toy", said="y\n")
    assert told.exit_code == 0, told.output
    assert "Remove it?" in told.stderr and told.stdout == "removed runs/toy\n"
    assert [each.name for each in (folder / "runs").iterdir()] == ["other"]
    assert supcon("other", "--yes").exit_code == 0
    assert not [*(folder / "runs").iterdir()]


def test_one_run_of_a_sweep_goes_by_its_path(folder: Path) -> None:
    sweep = made.sweep(folder / "runs" / "sweep", "FINISHED")
    assert supcon("sweep/one-s0", "--yes").exit_code == 0
    assert sorted(each.name for each in sweep.iterdir() if each.is_dir()) == ["one-s1"]

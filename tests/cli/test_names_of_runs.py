"""One way to say which run is meant: its folder, its name, the beginning of its name."""

from __future__ import annotations

import inspect
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from supcon_ext import experiment
from supcon_ext.cli import main
from supcon_ext.experiment.folder import find_run, find_run_or_sweep
from tests.cli.test_json import COMMANDS
from tests.runs import made


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("find", [find_run, find_run_or_sweep])
def test_folder_then_name_then_beginning(find: object) -> None:
    assert callable(find)
    made.run(Path("runs/one-abc-s0"), "FINISHED")
    assert find("on") == find("one-abc-s0") == find("runs/one-abc-s0") == Path("runs/one-abc-s0")
    made.run(Path("runs/one-abc"), "FINISHED")
    assert find("one-abc") == Path("runs/one-abc")  # a whole name, though it begins another
    with pytest.raises(ValueError, match="`on` fits 2: run runs/one-abc, run runs/one-abc-s0"):
        find("on")
    made.run(Path("one-abc"), "FINISHED")
    assert find(Path("one-abc")) == find("./one-abc") == Path("one-abc")
    with pytest.raises(ValueError, match=r"fits 2: run \./one-abc, run runs/one-abc\. "):
        find("one-abc")
    with pytest.raises(ValueError, match=r"got `two`. Under runs there are: one-abc, one-abc-s0"):
        find("two")


def test_a_sweep_is_found_as_a_run_is() -> None:
    made.sweep(Path("runs/few-123456"), "FINISHED")
    assert find_run_or_sweep("few") == find_run_or_sweep("few-123456") == Path("runs/few-123456")
    with pytest.raises(ValueError, match="There is none in runs"):
        find_run("few")
    made.run(Path("runs/fewer-s0"), "FINISHED")
    with pytest.raises(ValueError, match="`few` fits 2: sweep runs/few-123456, run runs/fewer-s0"):
        find_run_or_sweep("few")
    made.run(Path("few-123456"), "FINISHED")  # which only a run's folder is where runs are taken
    assert find_run("few-123456") == Path("few-123456")
    with pytest.raises(ValueError, match=r"fits 2: run \./few-123456, sweep runs/few-123456"):
        find_run_or_sweep("few-123456")


def takes_a_run(command: click.Command) -> bool:
    """Whether it looks a run up by what somebody wrote."""
    names = {"run", "run_name", "runs", "names", "subject", "encoder"}
    return any(isinstance(p, click.Argument) and p.name in names for p in command.params)


TAKERS = {path for path, command in COMMANDS.items() if takes_a_run(command)}


def test_every_command_that_takes_a_run_is_known() -> None:
    named = {path for path, command in COMMANDS.items() if "RUN is " in str(command.help)}
    assert {*named, "embed"} == TAKERS


@pytest.mark.parametrize("path", sorted(TAKERS))
def test_its_help_says_how_a_run_is_named(path: str) -> None:
    told = " ".join(inspect.cleandoc(str(COMMANDS[path].help)).split())
    assert "its name under runs/" in told and "the beginning of the name" in told


class TrainedError(Exception):
    """The recipe would be run now."""


def audit(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    def train(recipe: object) -> None:
        raise TrainedError

    monkeypatch.setattr(experiment, "run", train)
    return CliRunner().invoke(main, ["audit", *arguments, "--apply", "x.csv"])


def test_a_recipe_of_the_whole_name_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "TrainedError" in audit(monkeypatch, "selcl-digits").stderr
    made.run(Path("runs/selcl-digits-acb175-s0"), "FINISHED")
    first, *rest = audit(monkeypatch, "selcl-digits").stderr.splitlines()
    assert "TrainedError" not in first and "TrainedError" in " ".join(rest)
    assert "TrainedError" in audit(monkeypatch, "selcl-digits", "seed=1").stderr


def test_a_run_begun_as_no_recipe_is_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made.run(Path("runs/mine-s0"), "FAILED")
    for name in ("mine", "mine-s0", "runs/mine-s0"):
        told = audit(monkeypatch, name)
        assert told.exit_code == 2 and "supcon resume runs/mine-s0" in told.stderr, told.stderr
        assert len(told.stderr.splitlines()) == 1

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
    with pytest.raises(ValueError, match="`on` begins 2: one-abc, one-abc-s0"):
        find("on")
    made.run(Path("one-abc"), "FINISHED")
    assert find("one-abc") == Path("one-abc")
    with pytest.raises(ValueError, match=r"got `two`. Under runs there are: one-abc, one-abc-s0"):
        find("two")


def test_a_sweep_is_found_as_a_run_is() -> None:
    made.sweep(Path("runs/few-123456"), "FINISHED")
    assert find_run_or_sweep("few") == find_run_or_sweep("few-123456") == Path("runs/few-123456")
    with pytest.raises(ValueError, match="There is none in runs"):
        find_run("few")
    made.run(Path("runs/fewer-s0"), "FINISHED")
    with pytest.raises(ValueError, match="`few` begins 2: few-123456, fewer-s0"):
        find_run_or_sweep("few")
    made.run(Path("few-123456"), "FINISHED")  # the run's folder goes before the sweep's name
    assert find_run_or_sweep("few-123456") == find_run("few-123456") == Path("few-123456")


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


def test_both_a_recipe_and_the_beginning_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = audit(monkeypatch, "selcl-digits")
    assert "TrainedError" in alone.stderr and "is a recipe and begins" not in alone.stderr
    made.run(Path("runs/selcl-digits-acb175-s0"), "FINISHED")
    both = audit(monkeypatch, "selcl-digits")
    first, *rest = both.stderr.splitlines()
    assert first.startswith(
        "`selcl-digits` is a recipe and begins the name of a run: taken as the recipe "
    )
    assert first.endswith("digits.yaml. For the run: supcon audit runs/selcl-digits-acb175-s0")
    assert "TrainedError" in " ".join(rest)
    # keys to change go with recipes alone
    changed = audit(monkeypatch, "selcl-digits", "seed=1")
    assert "TrainedError" in changed.stderr and "is a recipe and" not in changed.stderr
    made.run(Path("runs/selcl-digits-acb175-s1"), "FINISHED")
    assert ", or 1 others" in audit(monkeypatch, "selcl-digits").stderr


def test_a_run_named_whole_or_begun_as_no_recipe_is_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made.run(Path("runs/selcl-digits"), "FAILED")
    made.run(Path("runs/mine-s0"), "FAILED")
    for name, place in (
        ("selcl-digits", "selcl-digits"),
        ("mine", "mine-s0"),
        ("runs/mine-s0", "mine-s0"),
    ):
        told = audit(monkeypatch, name)
        assert told.exit_code == 2 and f"supcon resume runs/{place}" in told.stderr, told.stderr
        assert len(told.stderr.splitlines()) == 1

"""``run``, ``resume``, ``sweep``, ``compare`` and ``sync``: what they do, and how they end."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from supcon_ext import experiment
from supcon_ext.cli import main
from supcon_ext.experiment import CannotStart
from supcon_ext.interrupt import Interrupted
from supcon_ext.recipe import load_recipe, recipe_hash
from tests.cli.test_recipe_commands import GOOD


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(GOOD)
    return tmp_path


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def raising(error: BaseException) -> Any:
    def raise_it(*args: Any, **kwargs: Any) -> None:
        raise error

    return raise_it


def test_a_wrong_recipe_is_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "run", raising(AssertionError("ran")))
    result = supcon("run", "mine.yaml", "sed=1")
    assert result.exit_code == 2
    assert "Did you mean `seed`?" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("Expected images, but got none."), 1, "Failed: Expected images, but got none."),
        (ImportError('Try: pip install "x"'), 1, 'Failed: Try: pip install "x"'),
        (RuntimeError("out of memory"), 1, "Failed: RuntimeError: out of memory"),
        (KeyError("x"), 1, "Failed: KeyError: 'x'"),
        (CannotStart("Expected images, but got none."), 2, "Expected images, but got none."),
        (Interrupted("to go on: supcon resume x"), 130, "Stopped: to go on: supcon resume x"),
        (Interrupted("x", signal.SIGTERM), 143, "Stopped: x"),
        (Interrupted("x", signal.SIGHUP), 129, "Stopped: x"),
        (KeyboardInterrupt(), 130, "Stopped."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_how_a_run_ends(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    monkeypatch.setattr(experiment, "run", raising(error))
    result = supcon("run", "mine.yaml")
    assert result.exit_code == code
    assert result.stderr.splitlines()[0] == line
    assert "Traceback" not in result.output


def test_where_the_traceback_is(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("odd")
    monkeypatch.setattr(experiment, "run", raising(error))
    assert "supcon --debug" in supcon("run", "mine.yaml").stderr
    debug = supcon("--debug", "run", "mine.yaml")
    assert debug.exit_code == 1
    assert debug.stderr.startswith("Traceback")
    error.add_note("The traceback is in runs/x/traceback.txt.")
    told = supcon("run", "mine.yaml").stderr.splitlines()
    assert told == ["Failed: RuntimeError: odd", "The traceback is in runs/x/traceback.txt."]


TINY = (
    "data.dataset.size=8",
    "model.backbone={kind: conv4, width: 2}",
    "model.projector={hidden: 8, dim: 4}",
    "stages.one.epochs=1",
    "stages.one.views.policy=weak",
    "evaluation=[knn]",
    "tracking.uri=none",
)


def test_a_run_from_the_command_to_its_table(folder: Path) -> None:
    result = supcon("run", "mine.yaml", *TINY)
    assert result.exit_code == 0, result.stderr
    assert "knn" in result.stdout and "accuracy" in result.stdout
    (run,) = (folder / "runs").iterdir()
    assert result.stdout.splitlines()[-1] == f"run     runs/{run.name}"
    assert run.name.startswith("mine-")
    table = result.stdout.splitlines()[:-1]

    again = supcon("resume", run.name[:8])
    assert again.exit_code == 0, again.stderr
    assert again.stdout.splitlines()[:-1] == table

    compared = supcon("compare", run.name, "--json")
    assert compared.exit_code == 0, compared.stderr
    assert json.loads(compared.stdout)["rows"][0]["seeds"] == [0]

    sent = supcon("sync", run.name)
    assert sent.exit_code == 2
    assert "Expected a store" in sent.stderr


def test_a_dry_run_keeps_nothing(folder: Path) -> None:
    result = supcon("run", "mine.yaml", *TINY, "--dry-run")
    assert result.exit_code == 0, result.stderr
    told = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert told["recipe"] == "mine"
    assert told["hash"] == recipe_hash(load_recipe("mine.yaml", TINY))[:6]
    assert told["overrides"].split() == " ".join(TINY).split()
    assert any("loss" in name for name in told)
    assert sorted(path.name for path in folder.iterdir()) == ["mine.yaml"]


def test_a_sweep_file_is_run_as_a_sweep(folder: Path) -> None:
    body = "".join(f"  {line}\n" for line in GOOD.replace("name: mine\n", "").splitlines())
    (folder / "s.yaml").write_text(f"name: s\nrecipe:\n{body}grid: {{model.ema: [null, 0.5]}}\n")
    result = supcon("run", "s.yaml", *TINY)
    assert result.exit_code == 0, result.stderr
    assert (
        result.stderr.splitlines()[0] == "s.yaml is a sweep: running it as `supcon sweep s.yaml`."
    )
    assert "model.ema" in result.stdout
    (sweep,) = (folder / "runs").iterdir()
    assert supcon("compare", str(sweep)).exit_code == 0

    refused = supcon("run", "s.yaml", "--dry-run")
    assert refused.exit_code == 2
    wrong = supcon("sweep", "s.yaml", "stages.one.epochs=x")
    assert wrong.exit_code == 2
    assert "stages.one.epochs=x" in wrong.stderr


def test_a_sweep_with_a_run_that_cannot_start(folder: Path) -> None:
    body = "".join(f"  {line}\n" for line in GOOD.replace("name: mine\n", "").splitlines())
    grid = "grid: {data.dataset: [{kind: image_folder, root: nowhere}]}"
    (folder / "s.yaml").write_text(f"name: s\nrecipe:\n{body}{grid}\n")
    result = supcon("sweep", "s.yaml", "tracking.uri=none")
    assert result.exit_code == 2
    assert "Failed: " in result.stderr
    (sweep,) = (folder / "runs").iterdir()
    assert not [place for place in sweep.iterdir() if place.is_dir()]


@pytest.mark.parametrize("command", ["resume", "sync", "compare"])
def test_a_run_that_is_not_there(command: str) -> None:
    result = supcon(command, "nothing")
    assert result.exit_code == 2
    assert "Expected a run's folder or name, but got `nothing`" in result.stderr


def test_a_run_whose_recipe_was_spoilt(folder: Path) -> None:
    run = folder / "runs" / "mine-1"
    run.mkdir(parents=True)
    (run / "recipe.yaml").write_text(GOOD + "sed: 1\n")
    result = supcon("resume", "mine-1")
    assert result.exit_code == 2
    assert "runs/mine-1/recipe.yaml: 1 problem" in result.stderr

"""What the command line says of MLflow stores: before the first step, and from ``sync``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from supcon_ext.cli import main
from supcon_ext.tracking import Tracker, TrackingSettings
from tests.cli.test_recipe_commands import GOOD


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    (tmp_path / "mine.yaml").write_text(GOOD)
    return tmp_path


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("command", ["validate", "run"])
@pytest.mark.parametrize("uri", ["mlruns", "file:mlruns", "ftp://x", "sqlite:///none/m.db"])
@pytest.mark.parametrize("named", ["recipe", "environment"])
def test_a_store_that_cannot_be_is_known_before_the_first_step(
    command: str, uri: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [f"tracking.uri={uri}"] if named == "recipe" else []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    result = supcon(command, "mine.yaml", *overrides)
    assert result.exit_code == 2
    assert result.stderr.startswith("Expected ") and result.stderr.count("\n") == 1
    assert "Try: " in result.stderr
    assert not Path("runs").exists()


def test_a_sync_that_fails_is_one_line(free_port: int, folder: Path) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    tracker = Tracker(Path("run"), TrackingSettings("none"), run_name="run", tags={})
    tracker.close("FINISHED")
    (folder / "run" / "recipe.yaml").write_text(GOOD)
    result = supcon("sync", "run", "--uri", uri)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"Failed: Expected MLflow at {uri}, but nothing answered")
    assert lines[1:] == ["To see the traceback: supcon --debug ..."]
    for arguments in (("sync", "run"), ("sync", "run", "--uri", "mlruns")):
        result = supcon(*arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)

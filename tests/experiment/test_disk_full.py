"""A disk that is full: the file is named, the way out too, and the last checkpoint survives.

A limit on the size of files stands in for it: what a process writes beyond fails alike.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest

from supcon_ext.tracking.results import read_results, same_metrics
from tests.experiment.lean import RECIPE, finished, folder_of, supcon, without_drawing
from tests.fresh import start

MOMENTS = {
    "journal.jsonl": 5_000,  # what is told to people stays below
    "checkpoints/last.pt": 60_000,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("whole"))


def _filling(limit: int) -> None:
    from supcon_ext.cli import main
    from supcon_ext.training.loop import Trainer

    step = Trainer._step

    def stepping(self: Trainer, *args: Any) -> Any:
        if self.at.global_step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        return step(self, *args)

    Trainer._step = stepping  # type: ignore[method-assign]
    without_drawing()
    Path("lean.yaml").write_text(RECIPE)
    main(["run", "lean.yaml"], prog_name="supcon")


@pytest.mark.parametrize("name", MOMENTS)
def test_a_full_disk(name: str, whole: Path, tmp_path: Path) -> None:
    full = start(_filling, MOMENTS[name], cwd=tmp_path)
    assert full.wait() == 1, full.stderr
    folder = folder_of(tmp_path)
    (line,) = [line for line in full.stderr.splitlines() if line.startswith("Failed")]
    assert "File too large" in line and str(folder.relative_to(tmp_path) / name) in line
    assert f"Try: make room, then supcon resume runs/{folder.name}" in full.stderr
    error = folder / "error.txt"
    assert not error.exists() or "Traceback" in error.read_text()
    assert not list(folder.rglob(".*draft*"))
    done = supcon("resume", str(folder), cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert same_metrics(folder, whole) == []
    assert {**read_results(folder), "seconds": 0} == {**read_results(whole), "seconds": 0}
    assert not error.exists()

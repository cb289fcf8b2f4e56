"""What can be known before is exit 2, without a traceback, and leaves nothing behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from supcon_ext.tracking.events import Param, Tag
from supcon_ext.tracking.journal import read
from supcon_ext.tracking.results import read_results
from tests.experiment.lean import STEPS, finished, folder_of, stopped, supcon

MISTAKES = {
    "no folder": ("data.dataset={kind: image_folder, root: nowhere}", "nowhere"),
    "no file": ("data.dataset={kind: arrays, file: nothing.npz}", "nothing.npz"),
    "batch": ("stages.select.batch_size=4096", "batch_size"),
    "accelerator": ("compute.accelerator=cuda", "cuda"),
    "no server": (
        "tracking={uri: 'http://127.0.0.1:9', on_unreachable: fail}",
        "http://127.0.0.1:9",
    ),
}
KINDS = {
    "run": ["run", "lean.yaml"],
    "dry": ["run", "lean.yaml", "--dry-run"],
    "audit": ["audit", "lean.yaml"],
}


@pytest.mark.parametrize("mistake", ["no folder", "no file", "batch", "accelerator", "no server"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_is_known_before(kind: str, mistake: str, tmp_path: Path) -> None:
    override, named = MISTAKES[mistake]
    if (kind, mistake) == ("dry", "no server"):
        return  # a dry run tracks nothing
    told = supcon(*KINDS[kind], override, cwd=tmp_path)
    assert told.wait() == 2, told.stderr
    assert named in told.stderr and "raceback" not in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["lean.yaml"] or not list(
        (tmp_path / "runs").iterdir()
    )


@pytest.mark.parametrize(
    "chosen", ["ni_erm", "{kind: linear_probe, l2: validation}", "{kind: calibration, of: ni_erm}"]
)
def test_who_selects_on_validation_is_told_before_that_there_is_none(
    chosen: str, tmp_path: Path
) -> None:
    overrides = [f"evaluation=[{chosen}]", "data.validation=0"]
    told = supcon("run", "lean.yaml", *overrides, cwd=tmp_path)
    assert told.wait() == 2, told.stderr
    assert "Expected a validation split for evaluator" in told.stderr
    assert "data.validation=0.1" in told.stderr and "raceback" not in told.stderr


def test_killed_before_the_first_checkpoint_the_journal_is_whole_again(tmp_path: Path) -> None:
    folder = stopped(tmp_path, 1)
    done = supcon("resume", str(folder), cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert "stopped before its first checkpoint: beginning again" in done.stderr
    other = tmp_path / "other"
    other.mkdir()
    whole = finished(other)

    def told(run: Path) -> list[tuple[str, str]]:
        events = [e for e in read(run / "journal.jsonl") if isinstance(e, (Param, Tag))]
        return [(event.key, event.value) for event in events]

    assert told(folder) == told(whole)
    assert {"recipe", "recipe_hash", "seed", "env.python"} <= dict(told(folder)).keys()


def test_a_checkpoint_that_is_gone_is_missed_and_the_user_may_begin_again(tmp_path: Path) -> None:
    folder = stopped(tmp_path, STEPS - 1)
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    missed = supcon("resume", str(folder), cwd=tmp_path)
    assert missed.wait() == 2
    assert "journal.jsonl tells of one (epoch 3, step 6)" in missed.stderr
    assert "last.pt is missing" in missed.stderr and "--from-start" in missed.stderr
    again = supcon("resume", str(folder), "--from-start", cwd=tmp_path)
    assert again.wait() == 0, again.stderr
    assert read_results(folder)["epochs"] == 4


def test_killed_after_its_results_the_journal_gets_its_end(tmp_path: Path) -> None:
    killed = supcon("run", "lean.yaml", cwd=tmp_path, at=("results", 1, signal.SIGKILL))
    assert killed.wait() == -signal.SIGKILL
    folder = folder_of(tmp_path)
    assert "FINISHED" not in (folder / "journal.jsonl").read_text()
    done = supcon("resume", str(folder), cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert "classifier" in done.stdout and "measuring again" not in done.stderr
    last = list(read(folder / "journal.jsonl"))[-2:]
    assert [getattr(last[0], "path", ""), getattr(last[1], "status", "")] == [
        "results.json",
        "FINISHED",
    ]

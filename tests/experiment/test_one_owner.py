"""A run folder has one owner at a time, and the lock goes with its process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.experiment.lean import finished, folder_of, stopped, supcon


def refused_beside(running: str, *command: str, cwd: Path) -> None:
    told = supcon(*command, cwd=cwd)
    assert told.wait() == 2, told.stderr
    (line,) = [line for line in told.stderr.splitlines() if "Expected" in line]
    assert f"process {running} on {os.uname().nodename}, since 2" in line


def test_a_run_a_resume_and_a_sweep_in_use_are_refused_to_others(tmp_path: Path) -> None:
    run = supcon("run", "lean.yaml", cwd=tmp_path, at=("step", 2, signal.SIGSTOP))
    run.wait_for(lambda: "warmup" in run.stderr or (tmp_path / "runs").exists())
    run.wait_for(lambda: bool(list(tmp_path.glob("runs/*/owner.json"))))
    folder = folder_of(tmp_path)
    refused_beside(str(run.pid), "resume", folder.name, cwd=tmp_path)
    run.send(signal.SIGKILL)
    run.wait()
    first = supcon("resume", str(folder), cwd=tmp_path, at=("step", 1, signal.SIGSTOP))
    first.wait_for(lambda: str(first.pid) in (folder / "owner.json").read_text())
    refused_beside(str(first.pid), "resume", folder.name, cwd=tmp_path)
    first.send(signal.SIGCONT)
    assert first.wait() == 0, first.stderr
    assert not (folder / "owner.json").exists()
    assert supcon("resume", str(folder), cwd=tmp_path).wait() == 0


def test_a_sweep_in_use(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\nrecipe: lean.yaml\ngrid: {seed: [0]}\n")
    sweep = supcon("sweep", "s.yaml", cwd=tmp_path, at=("step", 1, signal.SIGSTOP))
    sweep.wait_for(lambda: bool(list(tmp_path.glob("runs/s-*/*/owner.json"))))
    refused_beside(str(sweep.pid), "sweep", "s.yaml", cwd=tmp_path)
    sweep.send(signal.SIGKILL)
    sweep.wait()
    again = supcon("sweep", "s.yaml", cwd=tmp_path)
    assert again.wait() == 0, again.stderr


def test_a_lock_left_behind_means_nothing(tmp_path: Path) -> None:
    folder = stopped(tmp_path)
    assert (folder / "owner.json").exists()
    done = supcon("resume", str(folder), cwd=tmp_path)
    assert done.wait() == 0, done.stderr


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    folder = finished(tmp_path)
    again = ("resume", str(folder), "--from-start")
    holder = supcon(*again, cwd=tmp_path, at=("step", 1, signal.SIGSTOP))
    holder.wait_for(lambda: "warmup" in holder.stderr or str(holder.pid) in _text(folder))
    sent = supcon("sync", str(folder), "--uri", "sqlite:///m.db", cwd=tmp_path)
    assert sent.wait() == 0, sent.stderr
    holder.send(signal.SIGKILL)
    holder.wait()


def _text(folder: Path) -> str:
    owner = folder / "owner.json"
    return owner.read_text() if owner.exists() else ""

"""A run of a recipe that costs a second, for tests of everything around the training.

Drawing and tracing, which cost more than all the rest, are left out in the processes of here.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.fresh import Fresh, start

RECIPE = """\
name: lean
data:
  dataset: {kind: digits, size: 8}
  imbalance: {kind: exponential, factor: 50}
  noise: {kind: symmetric, rate: 0.3}
  validation: 0.1
model:
  backbone: {kind: conv4, width: 2}
  projector: {hidden: 8, dim: 4}
stages:
  - name: warmup
    epochs: 1
    batch_size: 128
    views: {policy: none, count: 2}
    objective: [cross_entropy]
    optimizer: {kind: sgd, lr: 0.1}
  - name: select
    epochs: 3
    batch_size: 128
    views: {policy: none, count: 2}
    objective:
      - contrastive: {selector: gmm}
      - cross_entropy
    optimizer: {kind: sgd, lr: 0.1}
evaluation: [classifier]
tracking: {uri: none}
"""
STEPS = 8  # two an epoch


def supcon(*arguments: str, cwd: Path, at: tuple[str, int, int] | None = None) -> Fresh:
    """Start ``supcon ARGUMENTS`` without drawing; ``wait()`` gives the exit status.

    Args:
        *arguments: Of the command.
        cwd: Where; ``lean.yaml`` is made there.
        at: ``(moment, number, signal)``: the process sends itself a signal at the ``number``-th
            ``step``, ``save``, ``embed`` (a pass over a split), ``results`` (just written).
    """
    if not (cwd / "lean.yaml").exists():
        (cwd / "lean.yaml").write_text(RECIPE)
    return start(_work, list(arguments), at, cwd=cwd)


def _work(arguments: list[str], at: tuple[str, int, int] | None) -> None:
    import multiprocessing

    from supcon_ext.cli import main

    multiprocessing.set_start_method("fork", force=True)  # as a shell's process has it
    without_drawing()
    if at is not None:
        signal_at(*at)
    main(arguments, prog_name="supcon")


def without_drawing() -> None:
    """Leave out what takes longest and what no test of the folder looks at."""
    from supcon_ext.experiment import report, selection_watch
    from supcon_ext.tracking.encoder_file import EncoderFile

    def exported(encoder: Any, shape: tuple[int, ...], path: Path) -> EncoderFile:
        path.write_bytes(b"a traced encoder")
        return EncoderFile(path, (-1, *shape), (-1, 1), "float32", "0")

    report._draw = lambda *args: []  # type: ignore[assignment]
    report.export_encoder = exported  # type: ignore[assignment]
    selection_watch.SelectionWatch.draw = lambda self: []  # type: ignore[method-assign]


def signal_at(moment: str, number: int, which: int) -> None:
    """Let this process send itself a signal at a moment."""
    from supcon_ext.experiment import report
    from supcon_ext.training import loop

    count = 0

    def passed() -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), which)

    owner, name = {
        "step": (loop.Trainer, "_step"),
        "save": (loop, "save_generation"),
        "embed": (loop.Trainer, "embed"),
        "results": (report, "write_results"),
    }[moment]
    before = getattr(owner, name)

    def passing(*args: Any, **kwargs: Any) -> Any:
        made = before(*args, **kwargs)
        passed()
        return made

    setattr(owner, name, passing)


def stopped(cwd: Path, step: int = STEPS) -> Path:
    """The folder of a run that was killed at a step."""
    killed = supcon("run", "lean.yaml", cwd=cwd, at=("step", step, signal.SIGKILL))
    assert killed.wait() == -signal.SIGKILL, killed.stderr
    return folder_of(cwd)


def finished(cwd: Path) -> Path:
    """The folder of a run that was not disturbed."""
    done = supcon("run", "lean.yaml", cwd=cwd)
    assert done.wait() == 0, done.stderr
    return folder_of(cwd)


def folder_of(cwd: Path) -> Path:
    """The one run in a place."""
    (folder,) = (cwd / "runs").iterdir()
    return folder

"""Fresh processes that cost little: forked from a server that has imported everything.

A process of ``supcon(...)`` has loaded the modules and run nothing: no run, no plug-in, no thread.
It is what a user's own shell would start, without the seconds of imports.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import pictures

IMPORTED = [
    "torch",
    "torchvision",
    "albumentations",
    "lightning_fabric",
    "timm",
    "sklearn.linear_model",
    "sklearn.datasets",
    "pandas",
    "matplotlib.pyplot",
    "safetensors.torch",
    "torch.export._trace",  # torch loads these when a network is exported
    "torch.export.pt2_archive",
    "torch._inductor.dependencies",
    "sympy.combinatorics",
    "torchmetrics",
    "rich.progress",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "alembic.command",
    "supcon_ext.cli",
    "supcon_ext.experiment",
    "supcon_ext.sweep",
    "supcon_ext.audit",
    "supcon_ext.embed",
    "supcon_ext.use.predict",
    "supcon_ext.use.evaluate",
    "supcon_ext.use.export",
    "tests.fresh",
]
_context: Any = None


def _forks() -> Any:
    global _context
    if _context is None:
        _context = multiprocessing.get_context("forkserver")
        _context.set_forkserver_preload(IMPORTED)
    return _context


@dataclass
class Fresh:
    """A process under way, or over.

    Attributes:
        process: Its handle; ``pid``, ``is_alive()``, ``kill()``.
        place: Folder that takes what it prints.
    """

    process: Any
    place: Path
    _done: list[int] = field(default_factory=list)

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return (self.place / "stdout").read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it has told people so far."""
        return (self.place / "stderr").read_text(encoding="utf-8", errors="replace")

    @property
    def state(self) -> str:
        """What the kernel says of it: ``R`` runs, ``S`` sleeps, ``T`` is stopped."""
        told = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8", errors="replace")
        return told.rpartition(")")[2].split()[0]

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.process.pid)

    def send(self, number: int, group: bool = False) -> None:
        """Send it a signal; with ``group``, its worker processes too.

        SIGCONT waits for it to be stopped: sent before, it would be of no effect, and the process
        that stops itself a moment later would stand still for good.
        """
        if number == signal.SIGCONT:
            self.wait_for(lambda: self.state == "T")
        (os.killpg if group else os.kill)(self.pid, number)

    def wait(self, timeout: float = 240) -> int:
        """Its exit status, negative for a signal.

        Raises:
            TimeoutError: It is still there; it is killed first.
        """
        self.process.join(timeout)
        if self.process.exitcode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.join()
            raise TimeoutError(f"still running after {timeout} s:\n{self.stdout}\n{self.stderr}")
        return int(self.process.exitcode)

    def wait_for(self, true: Callable[[], bool], timeout: float = 120) -> None:
        """Wait until something is so while the process runs.

        Raises:
            TimeoutError: It is not so in time.
            RuntimeError: The process ended first.
        """
        end = time.monotonic() + timeout
        while not true():
            if not self.process.is_alive() and not true():
                raise RuntimeError(f"it ended first:\n{self.stdout}\n{self.stderr}")
            if time.monotonic() > end:
                os.killpg(self.pid, signal.SIGKILL)
                raise TimeoutError(f"not so after {timeout} s:\n{self.stdout}\n{self.stderr}")
            time.sleep(0.01)


def start(
    work: Callable[..., Any],
    *arguments: Any,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
) -> Fresh:
    """Start a module-level function in a fresh process, in a process group of its own.

    Args:
        work: What to run; what it returns is the exit status (None is 0).
        *arguments: Its arguments.
        cwd: Where it runs.
        env: Environment variables that it has beside this process's; None unsets one.
    """
    place = Path(tempfile.mkdtemp(prefix="fresh-"))
    for name in ("stdout", "stderr"):
        (place / name).touch()
    environment = {**os.environ, **(env or {})}
    kept = {name: value for name, value in environment.items() if value is not None}
    process = _forks().Process(
        target=_run, args=(work, arguments, str(cwd or Path.cwd()), kept, str(place))
    )
    process.start()
    return Fresh(process, place)


def _run(
    work: Callable[..., Any], arguments: Any, cwd: str, env: dict[str, str], place: str
) -> None:
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{place}/{name}", os.O_WRONLY | os.O_APPEND)
        os.dup2(file, stream)
        os.close(file)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    import torch

    pictures.as_the_parent()
    torch.set_num_threads(int(env.get("OMP_NUM_THREADS", "1")))
    status = 1
    try:
        status = work(*arguments) or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(status)


def _command(arguments: list[str]) -> None:
    from supcon_ext.cli import main

    main(arguments, prog_name="supcon")


def supcon(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 240,
) -> Fresh:
    """Run ``supcon ARGUMENTS`` in a fresh process to its end; ``wait()`` gives the exit status."""
    process = start_supcon(*arguments, cwd=cwd, env=env)
    process.wait(timeout)
    return process


def start_supcon(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str | None] | None = None
) -> Fresh:
    """Start ``supcon ARGUMENTS`` in a fresh process."""
    return start(_command, list(arguments), cwd=cwd, env=env)

"""Runs of a sweep side by side, each in a process of a pool.

Ctrl-C and SIGTERM reach the first process alone, which passes them on: every run saves itself.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import joblib
import torch

from supcon_ext.interrupt import (
    PATIENCE,
    STOP_SIGNALS,
    Interrupted,
    signals_kept_back,
    stop_requests,
)
from supcon_ext.recipe import parse_recipe
from supcon_ext.sweep.child import Failure, run_child
from supcon_ext.sweep.plan import Child

CONSOLE = "console.txt"
LOOK_SECONDS = 0.5

_busy = False
_stopped = False


def console_of(folder: Path) -> Path:
    """Where what a run would show goes: beside its folder, which it makes only if it can start."""
    return folder.parent / f"{folder.name}.{CONSOLE}"


def run_side_by_side(
    children: Sequence[Child],
    folder: Path,
    parent_run_id: str | None,
    jobs: int,
    report: Callable[[Child, Failure | None], None],
    look: Callable[[], None],
) -> None:
    """Run all, some at a time, each process with its share of the CPU threads.

    What a run would show goes to ``<run>.console.txt`` beside its folder.

    Args:
        children: What to run.
        folder: Where each has its folder.
        parent_run_id: The sweep's MLflow run.
        jobs: Runs at a time.
        report: Called as each ends, with what went wrong or None.
        look: Called now and then while they run.

    Raises:
        RuntimeError: A process died.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP came; every run has saved itself.
    """
    before = set(multiprocessing.active_children())
    threads = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(threads,)
    )
    with stop_requests() as stop, stop.held(), pool:
        with signals_kept_back():  # processes start here; one that a signal ends breaks the pool
            futures = {
                pool.submit(
                    _work,
                    child.name,
                    dict(child.variant),
                    child.seed,
                    child.recipe.model_dump(mode="json"),
                    folder / child.name,
                    parent_run_id,
                ): child
                for child in children
            }
        waiting = set(futures)
        try:
            while waiting:
                done, waiting = wait(waiting, LOOK_SECONDS, FIRST_COMPLETED)
                for future in done:
                    report(futures[future], future.result())
                look()
                if stop.requested:
                    stop.answer()
                    stop.raise_if_asked()
        except BrokenProcessPool:
            stop.raise_if_asked()  # a run that did not stop in time was ended
            raise RuntimeError(
                "Expected every process of the sweep to live, but one died, perhaps for want of "
                "memory. Try: the same command with fewer --jobs, which goes on"
            ) from None
        finally:
            if waiting:
                for process in set(multiprocessing.active_children()) - before:
                    process.terminate()
            pool.shutdown(cancel_futures=True)


def jobs_at_hand(children: Sequence[Child], wanted: int) -> int:
    """As many of the wanted jobs as there are CPU cores; 1 where a run has several processes."""
    try:
        check_jobs(children, wanted)
    except ValueError:
        return 1
    return min(wanted, int(joblib.cpu_count()))


def check_jobs(children: Sequence[Child], jobs: int) -> None:
    """See that each run is one process.

    Raises:
        ValueError: There are several jobs, and a run has several processes.
    """
    if jobs == 1:
        return
    if any(c.recipe.compute.devices != 1 or c.recipe.compute.nodes > 1 for c in children):
        raise ValueError(
            "Expected runs on one device beside --jobs, but got several. Try: --jobs 1"
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("Expected one process beside --jobs, but got several. Try: --jobs 1")


def _begin(threads: int) -> None:
    """In each process of the pool, once."""
    torch.set_num_threads(threads)
    os.setsid()  # out of reach of the terminal's Ctrl-C
    for ignored in STOP_SIGNALS - {signal.SIGTERM}:
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _stop(number: int, frame: FrameType | None) -> None:
    global _stopped
    _stopped = True
    if _busy:
        raise Interrupted("SIGTERM", number)


def _follow(sentinel: int) -> None:
    """Stop when the first process is gone."""
    multiprocessing.connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM if _busy else signal.SIGKILL)


def _work(
    name: str,
    variant: Mapping[str, Any],
    seed: int,
    recipe: Mapping[str, Any],
    folder: Path,
    parent_run_id: str | None,
) -> Failure | None:
    global _busy, _stopped
    _busy = True  # from here on a signal raises: none comes between a look and the run
    try:
        if _stopped:  # runs that wait in the pool's queue cannot be cancelled
            raise Interrupted("SIGTERM", signal.SIGTERM)
        child = Child(name, variant, seed, parse_recipe(recipe))
        with (
            console_of(folder).open("a", encoding="utf-8") as file,
            redirect_stdout(file),
            redirect_stderr(file),
            stop_requests(PATIENCE),
        ):
            return run_child(child, folder, parent_run_id)
    except Interrupted:
        _stopped = True
        raise
    finally:
        _busy = False

"""The runs and sweeps of a folder, each with what a list tells of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from supcon_ext.experiment.folder import ERROR, FINGERPRINT, RECIPE, is_run, is_sweep
from supcon_ext.experiment.lock import OWNER
from supcon_ext.experiment.manifest import missing_file
from supcon_ext.experiment.results_table import KEYS, result_rows
from supcon_ext.tracking.journal import JOURNAL_NAME
from supcon_ext.tracking.results import RESULTS_NAME, read_results
from supcon_ext.tracking.run_lock import is_owned
from supcon_ext.tracking.run_times import RunTimes, run_times

State = Literal["finished", "running", "stopped", "failed", "damaged"]


@dataclass(frozen=True)
class FoundRun:
    """A run, or a sweep with its runs.

    Attributes:
        folder: Where it is.
        kind: ``run`` or ``sweep``.
        state: ``finished``; ``running`` in a process of now; ``stopped`` by somebody or killed;
            ``failed``; or ``damaged``: a file is missing or is not what a run writes.
        why: What went wrong, where it is known.
        name: Of the recipe or the sweep.
        seed: Of the run.
        began: Seconds since 1970; None where nothing says it.
        seconds: How long it has worked.
        size: Bytes on the disk.
        evaluator: Whose figures these are: the first of the recipe's.
        figures: On the test set after the last epoch, in the order of the run's own table.
        runs: Those of a sweep.
    """

    folder: Path
    kind: Literal["run", "sweep"]
    state: State
    why: str = ""
    name: str = ""
    seed: int | None = None
    began: float | None = None
    seconds: float | None = None
    size: int = 0
    evaluator: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    runs: tuple[FoundRun, ...] = ()


def find_runs(root: Path) -> list[FoundRun]:
    """Every run and every sweep that lies in a folder, the newest first.

    Args:
        root: The folder.

    Raises:
        ValueError: It is no folder.
    """
    if not root.is_dir():
        raise ValueError(
            f"Expected a folder of runs, but got {root}. Try: the folder that a recipe's "
            "tracking.folder names"
        )
    found = [describe(place) for place in root.iterdir() if is_run(place) or is_sweep(place)]
    return sorted(found, key=_age)


def describe(folder: Path) -> FoundRun:
    """What a list tells of a run's or a sweep's folder; nothing in it is changed."""
    return _describe_run(folder) if is_run(folder) else _describe_sweep(folder)


def _age(found: FoundRun) -> tuple[float, str]:
    return -(found.began or 0.0), found.folder.name


def _describe_sweep(folder: Path) -> FoundRun:
    runs = sorted(map(_describe_run, filter(is_run, folder.iterdir())), key=_age)
    times, why = _times(folder)
    state: State = "damaged" if times is None else _state_of(times, folder)
    return FoundRun(
        folder=folder,
        kind="sweep",
        state=state,
        why=why,
        name=folder.name.rpartition("-")[0] or folder.name,
        began=None if times is None else times.began,
        seconds=None if times is None else times.worked,
        size=_size(folder),
        runs=tuple(runs),
    )


def _describe_run(folder: Path) -> FoundRun:
    told = _recipe(folder)
    times, why = _times(folder)
    state: State = "damaged" if times is None else _state_of(times, folder)
    evaluator, figures = "", {}
    if state == "failed":
        why = _last_line(folder / ERROR)
    if state == "finished":
        try:
            results = read_results(folder)
            missing = missing_file(folder)
            rows = result_rows(results)
        except (ValueError, KeyError, TypeError, AttributeError):
            state, why = "damaged", f"{RESULTS_NAME} is missing or damaged"
        else:
            if missing is not None:
                state, why = "damaged", f"{missing} is missing"
            if rows:
                evaluator = str(rows[0]["evaluator"])
                named = [*rows[0].items()][KEYS:]
                figures = {name: value for name, value in named if value is not None}
    if told is None and state != "running":
        state, why = "damaged", f"{RECIPE} is missing or damaged"
    seed = (told or {}).get("seed", 0)
    return FoundRun(
        folder=folder,
        kind="run",
        state=state,
        why=why,
        name=str((told or {}).get("name", "")),
        seed=seed if isinstance(seed, int) else None,
        began=None if times is None else times.began,
        seconds=None if times is None else times.worked,
        size=_size(folder),
        evaluator=evaluator,
        figures=figures,
    )


def _times(folder: Path) -> tuple[RunTimes | None, str]:
    try:
        return run_times(folder / JOURNAL_NAME, _is_running(folder)), ""
    except FileNotFoundError:
        return None, f"{JOURNAL_NAME} is missing"
    except (ValueError, OSError):
        return None, f"{JOURNAL_NAME} is damaged"


def _is_running(folder: Path) -> bool:
    # a lock that is looked at is held for a moment: only where somebody says to own it
    return (folder / OWNER).is_file() and is_owned(folder) is True


def _state_of(times: RunTimes, folder: Path) -> State:
    if _is_running(folder):
        return "running"
    states: dict[str, State] = {"FINISHED": "finished", "FAILED": "failed"}
    return states.get(times.status, "stopped")


def _recipe(folder: Path) -> dict[str, Any] | None:
    """What the run's recipe says, unchecked, from whichever file has it; None where none does."""
    try:
        told = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
        if isinstance(told, dict):
            return told
    except (OSError, ValueError, yaml.YAMLError):
        pass
    try:
        record = json.loads((folder / FINGERPRINT).read_text(encoding="utf-8"))
        return dict(record["content"]["fingerprint"]["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _size(folder: Path) -> int:
    """Bytes of the files below a folder; one that goes while it is looked at counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total

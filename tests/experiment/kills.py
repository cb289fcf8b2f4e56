"""Runs that are killed at a chosen moment, gone on with in a fresh process, and compared.

    python -m tests.experiment.kills

prints a table: method, kind of kill, how many were tried, how many ended with the numbers of a run
that nobody touched, and how many steps were trained again. A moment is a place in the program and
not a time, so that every try hits.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml

from supcon_ext.tracking.results import read_results, same_metrics
from supcon_ext.training.checkpoint import load_checkpoint
from tests.fresh import Fresh, start

STEPS = "steps.txt"
COMPARED = (
    "position",
    "network",
    "best",
    "twin",
    "objective",
    "peer",
    "optimizer",
    "averages",
    "samples",
    "randomness",
)
SMALL: dict[str, Any] = {
    "data": {
        "dataset": {"kind": "digits", "size": 8},
        "imbalance": {"kind": "exponential", "factor": 5},
        "noise": {"kind": "symmetric", "rate": 0.4},
    },
    "model": {
        "backbone": {"kind": "conv4", "width": 2},
        "projector": {"hidden": 8, "dim": 8},
        "ema": 0.9,
    },
    "evaluation": ["knn"],
    "tracking": {"uri": "none"},
}
VIEWS = {"policy": "weak", "count": 2}
CONFIDENT = {"kind": "confident_pairs", "neighbours": 20}
BALANCED = {"kind": "balanced", "hidden": 8}


def _stage(name: str, *objective: Any, **more: Any) -> dict[str, Any]:
    optimizer = {"kind": "sgd", "lr": 0.05, "momentum": 0.9}
    return {
        "name": name,
        "epochs": 2,
        "batch_size": 128,
        "views": VIEWS,
        "objective": list(objective),
        "optimizer": optimizer,
        **more,
    }


def _method(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"name": "killed", **SMALL, "stages": list(stages)}


_WARMUP = _stage("warmup", {"contrastive": {"selector": "instance"}}, "cross_entropy")
METHODS: Mapping[str, dict[str, Any]] = {
    # those of the quickstart
    "cross-entropy": _method(_stage("train", "cross_entropy")),
    "SupCon": _method(_stage("train", {"contrastive": {"selector": "label"}})),
    "Sel-CL": _method(
        _WARMUP,
        _stage("train", {"contrastive": {"selector": CONFIDENT}}, "cross_entropy"),
    ),
    "BCL": _method(
        _stage(
            "train",
            {"contrastive": {"weighting": BALANCED}},
            {"cross_entropy": {"logit_adjustment": 1.0}},
        )
    ),
    "Sel-CL and BCL": _method(
        _WARMUP,
        _stage(
            "train",
            {"contrastive": {"selector": CONFIDENT, "weighting": BALANCED, "mixup": 1.0}},
            {"cross_entropy": {"logit_adjustment": 1.0, "prior": "trusted"}},
        ),
    ),
    # and one of each other kind of part
    "queue": _method(_stage("train", {"contrastive": {"queue": 300}}), _stage("on", "paco")),
    "PaCo, queue": _method(_stage("train", {"paco": {"queue": 200}})),
    "ProCo": _method(_stage("train", {"proco": {"estimate": "both_epochs"}}, "cross_entropy")),
    "SBCL": _method(
        _stage("train", {"sub_class_contrastive": {"warmup": 0, "recluster_every": 1}})
    ),
    "TSC": _method(
        _stage(
            "train",
            {
                "contrastive": {
                    "weighting": {"kind": "tsc", "start": 0.0},
                    "positives_cap": 6,
                    "surplus": "negative",
                }
            },
        )
    ),
    "co-teaching": _method(_stage("train", "co_teaching"), _stage("more", "co_teaching")),
    "ELR history, m per class, AdamW": _method(
        _stage(
            "train",
            {"contrastive": {"selector": "elr_history"}},
            "cross_entropy",
            sampler={"kind": "m_per_class", "samples": 4},
            optimizer={"kind": "adamw", "lr": 0.003},
            clip_norm=1.0,
        ),
        _stage("again", "cross_entropy", reset=["classifier"], sampler="progressive"),
    ),
}

# place in the program -> which of its occurrences
KILLS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "first step": (("step", 1),),
    "inside an epoch": (("step", 6),),
    "last epoch": (("step", 7),),
    "checkpoint half written": (("half", 1),),
    "checkpoint before its renaming": (("before last.pt", 2),),
    "checkpoint after its renaming": (("after last.pt", 2),),
    "selection": (("refresh", 2),),
    "validation": (("validate", 2),),
    "evaluation": (("reports_of", 1),),
    "results written, journal not ended": (("after results.json", 1),),
    "four times": (("step", 3), ("half", 1), ("before last.pt", 1), ("step", 4)),
    "asked to stop (SIGTERM), twice": (("term", 2), ("term", 3)),
}


@contextmanager
def _killing(place: str, number: int) -> Iterator[None]:
    """Kill this process at the ``number``-th time that it comes to a place."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from data_tools import whole_file
    from supcon_ext.experiment import report
    from supcon_ext.experiment.measure import Measurer
    from supcon_ext.objectives.base import Objective

    seen = 0

    def here(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGTERM if place == "term" else signal.SIGKILL)

    def after(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            made = original(*arguments, **named)
            here()
            return made

        setattr(owner, name, wrapped)

    if place in ("step", "term"):
        register_optimizer_step_post_hook(here)
    elif place == "half":
        write = Path.write_bytes

        def half(self: Path, data: Any) -> int:
            if not self.name.startswith(".last."):
                return write(self, data)
            written = write(self, data[: len(data) // 2] if seen + 1 == number else data)
            here()
            return written

        Path.write_bytes = half  # type: ignore[method-assign]
    elif place.startswith(("before ", "after ")):
        when, target = place.split(" ")
        replace = os.replace

        def replacing(source: Any, destination: Any) -> None:
            if when == "before" and str(destination).endswith(f"/{target}"):
                here()
            replace(source, destination)
            if when == "after" and str(destination).endswith(f"/{target}"):
                here()

        whole_file.os.replace = replacing  # type: ignore[assignment]
    else:
        owners = {"refresh": Objective, "validate": Measurer, "reports_of": report}
        after(owners[place], place)
    yield


def _work(arguments: list[str], place: str, number: int) -> None:
    """A command of ``supcon`` that counts its steps, and kills itself if it comes to a place."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from supcon_ext.cli import main

    def count(*_: Any) -> None:
        with open(STEPS, "a") as file:
            file.write(".")

    register_optimizer_step_post_hook(count)
    with _killing(place, number):
        main(arguments, prog_name="supcon")


def work(cwd: Path, *arguments: str, place: str = "step", number: int = 0) -> Fresh:
    """Run a command in a fresh process to its end, however that comes; 0: nobody kills it."""
    fresh = start(_work, list(arguments), place, number, cwd=cwd)
    fresh.wait()
    return fresh


@dataclass(frozen=True)
class Outcome:
    """What became of a run that was killed.

    Attributes:
        kills: How often it was killed.
        differences: The first places where it differs from a run that was not; empty if nowhere.
        repeated: Steps that were trained more than once.
    """

    kills: int
    differences: tuple[str, ...]
    repeated: int


def whole_run(method: str, cwd: Path) -> Path:
    """A run that nobody touches; its folder."""
    cwd.mkdir(parents=True)
    (cwd / "recipe.yaml").write_text(yaml.safe_dump(METHODS[method]))
    done = work(cwd, "run", "recipe.yaml")
    if done.wait() != 0:
        raise RuntimeError(f"{method}: {done.stderr}")
    return _folder(cwd)


def killed_run(method: str, kill: str, cwd: Path, whole: Path) -> Outcome:
    """Run a method, kill it as often as ``kill`` says, go on to the end, and compare.

    Raises:
        RuntimeError: A kill missed, or the run could not go on.
    """
    cwd.mkdir(parents=True)
    (cwd / "recipe.yaml").write_text(yaml.safe_dump(METHODS[method]))
    arguments = ["run", "recipe.yaml"]
    for place, number in KILLS[kill]:
        expected = 143 if place == "term" else -signal.SIGKILL
        fresh = work(cwd, *arguments, place=place, number=number)
        if fresh.wait() != expected:
            raise RuntimeError(f"{method}, {kill}: ended with {fresh.wait()}\n{fresh.stderr}")
        arguments = ["resume", str(_folder(cwd))]
    done = work(cwd, *arguments)
    if done.wait() != 0:
        raise RuntimeError(f"{method}, {kill}: not gone on with\n{done.stderr}")
    found = tuple(islice(_differences(_folder(cwd), whole), 5))
    steps = [len((place / STEPS).read_text()) for place in (cwd, whole.parents[1])]
    return Outcome(len(KILLS[kill]), found, steps[0] - steps[1])


def _folder(cwd: Path) -> Path:
    (folder,) = (path for path in (cwd / "runs").iterdir() if path.is_dir())
    return folder


def _differences(run: Path, whole: Path) -> Iterator[str]:
    yield from same_metrics(run, whole)
    ours, theirs = read_results(run), read_results(whole)
    for key in ours.keys() | theirs.keys():
        if key != "seconds" and ours.get(key) != theirs.get(key):
            yield f"results: {key}"
    for part in COMPARED:
        states = [load_checkpoint(f / "checkpoints" / "last.pt")[part] for f in (run, whole)]
        yield from _unequal(*states, part)


def _unequal(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for key in ours:
            if key != "seconds":
                yield from _unequal(ours[key], theirs[key], f"{path}/{key}")
    elif isinstance(ours, (list, tuple)) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _unequal(*pair, f"{path}/{number}")
    elif torch.is_tensor(ours) and torch.is_tensor(theirs):
        if not torch.equal(ours, theirs):
            yield f"checkpoint: {path}"
    elif ours != theirs:
        yield f"checkpoint: {path}"


def kills_of(method: str) -> list[str]:
    """The kinds of kills that can hit a method: only those that select are killed selecting."""
    selecting = any("selector" in str(stage) for stage in METHODS[method]["stages"])
    return [kill for kill in KILLS if kill != "selection" or selecting]


def main(say: Callable[[str], None] = print) -> int:
    """Print the table; the number of runs that ended otherwise."""
    tried: Counter[str] = Counter()
    lost = 0
    say("| method | kind of kill | kills | identical | steps trained again |")
    say("| --- | --- | --- | --- | --- |")
    for method in METHODS:
        place = Path(tempfile.mkdtemp())
        whole = whole_run(method, place / "whole")
        for kill in kills_of(method):
            made = killed_run(method, kill, place / kill.replace(" ", "_"), whole)
            same = "yes" if not made.differences else f"no: {made.differences[0]}"
            tried.update(kills=made.kills, runs=1)
            lost += bool(made.differences)
            say(f"| {method} | {kill} | {made.kills} | {same} | {made.repeated} |")
        shutil.rmtree(place)
    say(f"\n{tried['kills']} kills of {tried['runs']} runs; {lost} ended with other numbers.")
    return lost


if __name__ == "__main__":
    sys.exit(bool(main(lambda line: print(line, flush=True))))

"""Whatever takes part in a run: stopped anywhere, gone on in a fresh process, bit-identical.

Chains of stages have every member of every family; a process for each stage is stopped inside its
first epoch, and the next process goes on. The wider product is in the tests marked ``long``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from supcon_ext.tracking.results import read_metrics, read_results, same_metrics
from supcon_ext.training.checkpoint import load_checkpoint
from tests.experiment import members
from tests.fresh import start

Stop = tuple[str, int]

PARTS = 4  # a recipe of all the stages takes long to read


@pytest.fixture(autouse=True)
def place_of_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members.write_scores(tmp_path)
    monkeypatch.chdir(tmp_path)


def went(text: dict[str, Any], folder: Path, stop: Stop | None = None) -> int:
    """The exit status of a fresh process that runs a recipe, or goes on with it."""
    process = start(members.go, text, str(folder), *(stop or ()), cwd=folder.parent)
    status = process.wait(300)
    expected = {None: 0, "term": 143}.get(stop[0] if stop else None, -9)
    assert status == expected, f"{stop}: exit {status}\n{process.stdout[-2000:]}{process.stderr}"
    return status


def differences(mine: Any, other: Any, place: str = "") -> list[str]:
    """Where two checkpoints are not the same, to the last bit."""
    if torch.is_tensor(mine) and torch.is_tensor(other):
        return [] if mine.dtype == other.dtype and torch.equal(mine, other) else [place]
    if isinstance(mine, dict) and isinstance(other, dict):
        found = [f"{place}/{key}" for key in mine.keys() ^ other.keys()]
        for key in mine.keys() & other.keys():
            found += differences(mine[key], other[key], f"{place}/{key}")
        return found
    if isinstance(mine, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(mine) != len(other):
            return [place]
        pairs = zip(mine, other, strict=True)
        return [d for n, (a, b) in enumerate(pairs) for d in differences(a, b, f"{place}/{n}")]
    same = mine == other or (mine != mine and other != other)
    return [] if same else [f"{place}: {mine!r} against {other!r}"]


def not_identical(folder: Path, whole: Path, stages: list[dict[str, Any]]) -> list[str]:
    """How two runs differ, the first stage that does named first."""
    found = same_metrics(folder, whole)
    ends = epoch_ends(whole)
    steps = [int(line.split("at step ")[1].split()[0]) for line in found if "at step" in line]
    if steps:
        number = sum(min(steps) > end for end in ends) // members.EPOCHS
        found.insert(0, f"the first stage that differs: {stages[min(number, len(stages) - 1)]}")
    ours, theirs = read_results(folder), read_results(whole)
    for results in (ours, theirs):
        results.pop("seconds")
    found += differences(ours, theirs, "results")
    checkpoints = [load_checkpoint(run / "checkpoints" / "last.pt") for run in (folder, whole)]
    for state in checkpoints:
        state["position"].pop("seconds")
        for part in ("run", "journal"):  # they tell when, and which run
            state.pop(part)
    return found + differences(*checkpoints, "checkpoint")


def epoch_ends(whole: Path) -> list[int]:
    """Steps of the run at the end of each epoch."""
    return [step for step, _ in read_metrics(whole)["train/loss"]]


def chain(text: dict[str, Any], place: Path, stops: Any) -> list[str]:
    """Run a recipe whole, and once more with a fresh process after each stop.

    Args:
        text: The recipe.
        place: An empty folder.
        stops: Gives the stops, in order, from the steps at which the epochs end.
    """
    whole, stopped = place / "whole", place / "stopped"
    went(text, whole)
    for stop in stops(epoch_ends(whole)):
        went(text, stopped, stop)
    went(text, stopped)
    return not_identical(stopped, whole, text["stages"])


def inside(ends: list[int]) -> list[Stop]:
    """After the first step of each stage, so that what a refresh gathered serves the next one."""
    return [("term", before + 1) for before in [0, *ends[members.EPOCHS - 1 : -1 : members.EPOCHS]]]


def anywhere(ends: list[int], turn: int, each: int = 1) -> list[Stop]:
    """In a stage one of: inside an epoch, between epochs, between stages; asked or killed.

    Args:
        ends: Steps at which the epochs end.
        turn: Where to begin with these.
        each: Only every so many stages are stopped in.
    """
    kinds = ["inside", "epochs", "stages", "killed inside", "killed between"]
    stops: list[Stop] = []
    starts = [0, *ends[1:-1:2]]
    for number, (begin, first, last) in enumerate(zip(starts, ends[::2], ends[1::2], strict=True)):
        kind = kinds[(number + turn) % len(kinds)]
        at = {"inside": begin + 1, "epochs": first, "stages": last, "killed inside": last - 1}
        step = at.get(kind, first)
        action = {"killed inside": "kill", "killed between": "kill_saved"}.get(kind, "term")
        last_of_all = kind == "stages" and number + 1 == len(ends) // 2
        if (number + turn) % each == 0 and not last_of_all:
            stops.append((action, step))
    return stops


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_member_stopped_inside_an_epoch(part: int, tmp_path: Path) -> None:
    assert chain(members.every_member(part, PARTS), tmp_path, inside) == []


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.long)])
def test_heads_dropout_evaluators_and_validation(number: int, tmp_path: Path) -> None:
    text = members.settings()[number]
    assert chain(text, tmp_path, lambda ends: anywhere(ends, 0)) == []


@pytest.mark.long
def test_synthetic_samples_beside_a_few_members(tmp_path: Path) -> None:
    pairs = [("synthetic_positives", "balanced"), ("confident_pairs", "tsc"), ("rolt", "uniform")]
    stages = [members.stage(n, *pair, "cross_entropy") for n, pair in enumerate(pairs)]
    text = members.beside_synthetic(members.recipe(stages))
    assert chain(text, tmp_path, lambda ends: anywhere(ends, 0)) == []


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_member_beside_synthetic_samples(part: int, tmp_path: Path) -> None:
    text = members.beside_synthetic(members.every_member(part, PARTS))
    assert chain(text, tmp_path, lambda ends: anywhere(ends, part)) == []


def test_a_teacher_its_schedules_and_masked_tokens(tmp_path: Path) -> None:
    assert chain(members.synclr(), tmp_path, inside) == []


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("weighting", members.members("weighting"))
def test_every_selector_with_every_weighting_stopped_anywhere(
    weighting: str, part: int, tmp_path: Path
) -> None:
    """All train; each selector is stopped with a third of the weightings."""
    stages = dict(members.product())[weighting][part::PARTS]
    turn = members.members("weighting").index(weighting)
    assert chain(members.recipe(stages), tmp_path, lambda ends: anywhere(ends, turn, 3)) == []


def test_a_member_that_needs_more_than_its_defaults_is_noticed() -> None:
    with pytest.raises(AssertionError, match="add a line"):
        members.given("noise", "from_file")

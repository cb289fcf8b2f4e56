"""What ``supcon resume`` makes of a damaged run folder: every file, and every damage to it.

What can be made again, from the last checkpoint, is; what cannot is refused, with the file's name
and what to do, and nothing in the folder is touched.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from supcon_ext.tracking.journal import read
from supcon_ext.tracking.results import read_results, same_metrics
from tests.experiment.lean import finished, stopped, supcon

DAMAGES = ("missing", "empty", "cut", "foreign", "garbage")
REBUILT, REFUSED, PREVIOUS, UNUSED = "made again", "refused", "the one before", "not looked at"

Answers = tuple[str, str, str, str, str]


def all_are(answer: str) -> Answers:
    return (answer, answer, answer, answer, answer)


STOPPED: dict[str, Answers] = {
    "recipe.yaml": (REBUILT, REBUILT, REFUSED, REFUSED, REFUSED),
    "fingerprint.json": all_are(REBUILT),
    "journal.jsonl": all_are(REBUILT),
    "mirror.json": all_are(REBUILT),
    "labels.npz": all_are(REBUILT),
    "statistics.json": all_are(REBUILT),
    "checkpoints/last.pt": all_are(PREVIOUS),
    "checkpoints/previous.pt": all_are(UNUSED),
    "checkpoints/last.pt checkpoints/previous.pt": all_are(REFUSED),
    "checkpoints/best.pt": all_are(REBUILT),
    "tables/selection.csv": all_are(REBUILT),
    "selection/epoch_00002.npz": all_are(REBUILT),
    "error.txt": all_are(UNUSED),
    "run.lock": all_are(UNUSED),
    "owner.json": all_are(UNUSED),
}
"""By file: the answer to each of DAMAGES, in a run that was stopped."""

FINISHED: dict[str, Answers] = {
    "recipe.yaml": (REBUILT, REBUILT, REFUSED, REFUSED, REFUSED),
    "fingerprint.json": all_are(REBUILT),
    "journal.jsonl": all_are(REBUILT),
    "mirror.json": all_are(REBUILT),
    "results.json": all_are(REBUILT),
    "files.json": all_are(REBUILT),
    "labels.npz": all_are(REBUILT),
    "encoder.safetensors": all_are(REBUILT),
    "encoder.pt2": all_are(REBUILT),
    "model.json": all_are(REBUILT),
    "model.safetensors": all_are(REBUILT),
    "tables/selection.csv": all_are(REBUILT),
    "tables/classifier_per_class.csv": all_are(REBUILT),
    "checkpoints/last.pt": all_are(UNUSED),
    "checkpoints/previous.pt": all_are(UNUSED),
    "checkpoints/best.pt": all_are(UNUSED),
    "results.json checkpoints/last.pt checkpoints/previous.pt": all_are(REFUSED),
}
"""The same in a run that was finished."""


def damage(path: Path, how: str, other: Path) -> None:
    """Do something to a file."""
    path.parent.mkdir(exist_ok=True)
    before = path.read_bytes() if path.exists() else b""
    if how == "missing":
        path.unlink(missing_ok=True)
    elif how == "foreign":
        path.write_bytes(other.read_bytes() if other.exists() else b"of another run")
    else:
        half = before[: len(before) // 2]
        path.write_bytes({"empty": b"", "cut": half, "garbage": b"\x00\xffgarbage\n" * 99}[how])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run that is whole, one that was killed in its last step, and both of another seed."""
    made = {}
    for name, make in (("finished", finished), ("stopped", stopped)):
        made[name] = make(tmp_path_factory.mktemp(name))
    for name in ("finished", "stopped"):
        other = tmp_path_factory.mktemp(f"other-{name}")
        text = (made[name].parent.parent / "lean.yaml").read_text()
        (other / "lean.yaml").write_text(text + "seed: 5\n")
        made[f"other {name}"] = (finished if name == "finished" else stopped)(other)
    return made


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("run.lock", "owner.json")
    }


def check(state: str, files: str, how: str, answer: str, runs: dict[str, Path], cwd: Path) -> None:
    folder = cwd / "runs" / runs[state].name
    shutil.copytree(runs[state], folder)
    for name in files.split():
        damage(folder / name, how, runs[f"other {state}"] / name)
    before = tree(folder)
    told = supcon("resume", str(folder), cwd=cwd)
    if answer == REFUSED:
        assert told.wait() == 2, told.stderr
        assert Path(files.split()[-1]).name in told.stderr, told.stderr
        assert "Try: " in told.stderr and "Traceback" not in told.stderr
        assert tree(folder) == before
        return
    assert told.wait() == 0, told.stderr
    assert same_metrics(folder, runs["finished"]) == []
    ours, theirs = read_results(folder), read_results(runs["finished"])
    assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    last = list(read(folder / "journal.jsonl"))[-1]
    assert getattr(last, "status", "") == "FINISHED"
    after, whole = tree(folder), tree(runs["finished"])
    unused = {*files.split(), "error.txt"} if answer == UNUSED else {"error.txt"}
    assert set(after) - unused == set(whole) - unused
    same = {
        name
        for name in whole
        if name in after and name.endswith((".csv", ".npz", ".safetensors", ".yaml"))
    }
    assert {name for name in same if after[name] != whole[name]} == set()
    if answer == PREVIOUS:
        assert "going on from the one before, previous.pt" in told.stderr
    again = supcon("resume", str(folder), cwd=cwd)
    assert again.wait() == 0 and "made again" not in again.stderr, again.stderr


CASES = [
    (state, files, how, answer)
    for state, table in (("stopped", STOPPED), ("finished", FINISHED))
    for files, answers in table.items()
    for how, answer in zip(DAMAGES, answers, strict=True)
]
NAMES = [f"{state}-{files.replace(' ', '+')}-{how}" for state, files, how, _ in CASES]
FEW = {
    ("stopped", "recipe.yaml", "cut"),
    ("stopped", "journal.jsonl", "cut"),
    ("stopped", "checkpoints/last.pt", "cut"),
    ("stopped", "checkpoints/last.pt checkpoints/previous.pt", "garbage"),
    ("finished", "results.json", "empty"),
}
"""The cases that the ordinary tests have; the others come with the long ones."""


@pytest.mark.parametrize(
    ("state", "files", "how", "answer"),
    [
        pytest.param(*case, id=name, marks=[] if case[:3] in FEW else pytest.mark.long)
        for case, name in zip(CASES, NAMES, strict=True)
    ],
)
def test_a_file_and_a_damage(
    state: str, files: str, how: str, answer: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    check(state, files, how, answer, runs, tmp_path)

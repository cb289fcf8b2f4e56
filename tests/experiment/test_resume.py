"""Runs that are really killed, then resumed, end with the numbers of one that was not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from supcon_ext.tracking.results import read_metrics, read_results, same_metrics
from supcon_ext.training.checkpoint import load_checkpoint, save_checkpoint
from tests.experiment.tiny import go
from tests.fresh import Fresh, start


def tiny(folder: Path, what: str = "", number: int = 0) -> Fresh:
    fresh = start(go, folder, what, number)
    fresh.wait()
    return fresh


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = tiny(folder)
    assert done.wait() == 0, done.stderr
    return folder


MORE = [("refresh", 2), ("step", 1), ("step", 6), ("save", 3)]


def equal(folder: Path, whole: Path) -> None:
    assert same_metrics(folder, whole) == []
    ours, theirs = read_results(folder), read_results(whole)
    for results in (ours, theirs):
        results.pop("seconds")
    assert ours == theirs
    mine = load_checkpoint(folder / "checkpoints" / "last.pt")
    other = load_checkpoint(whole / "checkpoints" / "last.pt")
    for part in ("network", "twin", "objective"):
        for name, value in mine[part].items():
            if torch.is_tensor(value):
                assert torch.equal(value, other[part][name]), name
            else:
                assert value == other[part][name], name
    assert mine["randomness"][0]["generator"].equal(other["randomness"][0]["generator"])


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("step", 14),
        ("save", 1),
        *(pytest.param(*each, marks=pytest.mark.long) for each in MORE),
    ],
)
def test_killed_and_resumed_ends_with_the_same_numbers(
    what: str, number: int, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    assert tiny(folder, what, number).wait() == -signal.SIGKILL
    assert not (folder / "results.json").exists()
    done = tiny(folder)
    assert done.wait() == 0, done.stderr
    equal(folder, whole)


@pytest.mark.long
def test_killed_twice(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    assert tiny(folder, "step", 6).wait() == -signal.SIGKILL
    assert tiny(folder, "step", 8).wait() == -signal.SIGKILL
    assert tiny(folder).wait() == 0
    equal(folder, whole)


@pytest.mark.parametrize("number", [pytest.param(2, marks=pytest.mark.long), 13])
def test_asked_to_stop_it_saves_in_the_middle_of_an_epoch(
    number: int, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stopped"
    stopped = tiny(folder, "term", number)
    assert stopped.wait() == 143, stopped.stderr
    assert "supcon resume" in stopped.stdout
    saved = load_checkpoint(folder / "checkpoints" / "last.pt")
    assert saved["position"]["global_step"] == number
    assert tiny(folder).wait() == 0
    equal(folder, whole)


def test_the_whole_run_has_what_it_should(whole: Path) -> None:
    metrics = read_metrics(whole)
    assert len(metrics["train/loss"]) == 4
    assert len(metrics["selection/kept"]) == 2
    assert len(metrics["validation/classifier/accuracy"]) == 4
    results = read_results(whole)
    assert results["headline"] == "classifier"
    assert set(results["last"]["test"]) == {"classifier", "linear_probe", "knn"}
    assert results["best_epoch"] in range(1, 5)
    for name in ("encoder.safetensors", "encoder.pt2", "model.json", "labels.npz", "recipe.yaml"):
        assert (whole / name).is_file(), name
    assert (whole / "figures" / "train_loss.png").stat().st_size > 1000


def test_checkpoint_is_atomic_and_refuses_other_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"value": 1})
    assert load_checkpoint(path)["value"] == 1
    with monkeypatch.context() as patched:
        patched.setattr("supcon_ext.training.checkpoint.FORMAT", 99)
        save_checkpoint(path, {"value": 1})
    with pytest.raises(ValueError, match="format"):
        load_checkpoint(path)
    torch.save({"value": 1}, path)
    with pytest.raises(ValueError, match="digest"):
        load_checkpoint(path)
    with pytest.raises(ValueError, match="there is none"):
        load_checkpoint(tmp_path / "no.pt")


def test_other_labels_are_refused(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("recipe.yaml", "journal.jsonl", "mirror.json"):
        (folder / name).write_bytes((whole / name).read_bytes())
    state = load_checkpoint(whole / "checkpoints" / "last.pt")
    state["labels_hash"] = "0" * 64
    save_checkpoint(folder / "checkpoints" / "last.pt", state)
    done = tiny(folder)
    assert done.wait() == 1 and "labels are others" in done.stderr

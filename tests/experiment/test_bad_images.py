"""Files that are bad at the start of a run, and those that go bad while it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from supcon_ext.experiment.kept_statistics import keep_statistics, kept_statistics
from supcon_ext.policies.base import ViewContext
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.resolved import to_yaml
from supcon_ext.training.checkpoint import load_checkpoint
from tests.fresh import Fresh, start, supcon

COUNT = 24  # images of each of two classes, of which 12 train


def pictures(top: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(2 * COUNT):
        place = top / ("cat" if number < COUNT else "dog") / f"{number:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        grey = random.integers(0, 128, (16, 16), np.uint8) + (64 if number < COUNT else 0)
        Image.fromarray(grey.astype(np.uint8)).save(place)
    return top


def write_recipe(folder: Path, **data: Any) -> Path:
    recipe = {
        "name": "folder",
        "data": {
            "dataset": {"kind": "image_folder", "root": str(folder / "pictures"), "mode": "grey"},
            "image_size": 12,
            "validation": 0.2,
            **data,
        },
        "model": {
            "backbone": {"kind": "conv4", "width": 4},
            "projector": {"hidden": 8, "dim": 4},
        },
        "stages": [
            {
                "name": "train",
                "epochs": 3,
                "batch_size": 8,
                "views": {"policy": "weak", "count": 2},
                "objective": [{"contrastive": {"selector": "label"}}, "cross_entropy"],
                "sampler": "class_balanced",
                "optimizer": {"kind": "sgd", "lr": 0.05},
            }
        ],
        "evaluation": ["classifier", "knn"],
        "tracking": {"uri": "none", "folder": str(folder / "runs")},
    }
    path = folder / "folder.yaml"
    path.write_text(to_yaml(parse_recipe(recipe)))
    return path


def spoil_at_step(step: int, number: int, stop: bool, arguments: list[str]) -> None:
    """Run ``supcon``; before a step, a training image goes bad; with ``stop``, SIGTERM follows."""
    from supcon_ext.cli import main
    from supcon_ext.training import loop

    made = loop.Trainer._step
    count = 0

    def stepping(self: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count == step:
            Path(self.data.train.columns["path"][number]).write_bytes(b"")
        if stop and count == step + 4:  # after the epoch in which it was found, inside the next
            os.kill(os.getpid(), 15)
        return made(self, *args)

    loop.Trainer._step = stepping  # type: ignore[method-assign]
    main(arguments, prog_name="supcon")


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    pictures(tmp_path / "pictures")
    return tmp_path


def ran(folder: Path, work: Callable[..., Any], *arguments: Any) -> Fresh:
    process = start(work, *arguments, cwd=folder, env={"XDG_CACHE_HOME": str(folder / "cache")})
    process.wait(120)
    return process


def run_folder(folder: Path) -> Path:
    (found,) = (folder / "runs").iterdir()
    return found


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("decode", [False, True])
def test_skip_trains_on_the_others_and_records_which_it_left_out(
    folder: Path, decode: bool
) -> None:
    names = [folder / "pictures" / "cat" / f"{number:02d}.png" for number in range(3)]
    names[0].write_bytes(b"")
    names[1].write_bytes(names[1].read_bytes()[:60])
    data = bytearray(names[2].read_bytes())
    data[len(data) // 2] ^= 0xFF  # only decoding finds this one
    if decode:
        names[2].write_bytes(data)
    recipe = write_recipe(folder, bad_images="skip", decode=decode)
    process = supcon("run", str(recipe), cwd=folder)
    assert process.wait() == 0, process.stderr
    bad = 3 if decode else 2
    assert f"{bad} of {2 * COUNT} image files are bad and left out" in process.stderr
    assert f"in {folder / 'bad-images.csv'}" in process.stderr
    rows = (folder / "bad-images.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [str(name) for name in names[:bad]]
    run = run_folder(folder)
    first = json.loads((run / "results.json").read_text())["fingerprint"]
    from data_tools import read_labels

    left_out = read_labels(run / "labels.npz").settings["made"]["left_out"]
    assert sum(map(len, left_out.values())) == bad
    for name in names:
        name.unlink()
    again = supcon("audit", str(run), cwd=folder)
    assert again.wait() == 2 and "Traceback" not in again.stderr, "other images: refused"
    assert first not in again.stdout


def test_error_ends_the_run_before_it_begins(folder: Path) -> None:
    (folder / "pictures" / "cat" / "00.png").write_bytes(b"")
    process = supcon("run", str(write_recipe(folder)), cwd=folder)
    assert process.wait() in (1, 2)
    assert f"{folder / 'pictures' / 'cat' / '00.png'}: it is empty" in process.stderr
    assert str(folder / "bad-images.csv") in process.stderr and "Traceback" not in process.stderr


@pytest.mark.parametrize("step", [2, pytest.param(3, marks=pytest.mark.long)])
def test_one_that_goes_bad_ends_the_run_after_a_checkpoint(folder: Path, step: int) -> None:
    """Found among an epoch's batches, or by the pass over the training images at the run's end."""
    recipe = str(write_recipe(folder))
    assert supcon("run", recipe, cwd=folder).wait() == 0
    expected = run_folder(folder)
    (folder / "runs").rename(folder / "expected")
    expected = folder / "expected" / expected.name
    before = {path: path.read_bytes() for path in (folder / "pictures").rglob("*.png")}
    process = ran(folder, spoil_at_step, step, 5, False, ["run", recipe])
    run = run_folder(folder)
    (spoilt,) = [path for path, data in before.items() if path.read_bytes() != data]
    assert process.wait() == 1
    failed = [line for line in process.stderr.splitlines() if line.startswith("Failed: ")]
    assert failed == [
        f"Failed: Expected a readable image in {spoilt}, but got: it is no image of a known "
        "format. Try: mend the file, or take it out of the data set."
    ]
    assert f"supcon resume {run}" in process.stderr
    assert "Traceback (most recent" not in process.stderr
    position = load_checkpoint(run / "checkpoints" / "last.pt")["position"]
    assert position["global_step"] >= step, "no step was lost"
    refused = supcon("resume", str(run), cwd=folder)
    assert refused.wait() in (1, 2) and f"{spoilt}: it is empty" in refused.stderr
    spoilt.write_bytes(before[spoilt])
    resumed = supcon("resume", str(run), cwd=folder)
    assert resumed.wait() == 0, resumed.stderr
    assert "epoch 4/3" not in resumed.stderr
    same_network(run, expected)
    for name in ("train/loss", "validation/classifier/accuracy"):
        assert metric(run, name) == metric(expected, name) != []


def test_one_that_goes_bad_is_dropped_and_counted(folder: Path) -> None:
    recipe = str(write_recipe(folder, bad_images="skip"))
    before = {path: path.read_bytes() for path in (folder / "pictures").rglob("*.png")}
    process = ran(folder, spoil_at_step, 1, 7, False, ["run", recipe])  # seen in later epochs
    assert process.wait() == 0, process.stderr
    (spoilt,) = [path for path, data in before.items() if path.read_bytes() != data]
    told = "1 images can no longer be read, left out from the next epoch on: "
    assert process.stderr.count(told + str(spoilt)) == 1
    run = run_folder(folder)
    gone = [value for _, value in metric(run, "data/gone")]
    assert gone and set(gone) == {1.0}
    last = load_checkpoint(run / "checkpoints" / "last.pt")
    (place,) = last["gone"].nonzero().flatten().tolist()
    assert place == 7 and last["samples"]["trust"][7] == 0 and last["samples"]["role"][7] == 2


@pytest.mark.long
def test_stopped_after_one_went_bad_it_goes_on_to_the_same_numbers(folder: Path) -> None:
    recipe = str(write_recipe(folder, bad_images="skip"))
    before = {path: path.read_bytes() for path in (folder / "pictures").rglob("*.png")}
    assert ran(folder, spoil_at_step, 1, 5, False, ["run", recipe]).wait() == 0
    whole = run_folder(folder)
    (folder / "runs").rename(folder / "whole")
    for path, data in before.items():
        path.write_bytes(data)
    assert ran(folder, spoil_at_step, 1, 5, True, ["run", recipe]).wait() in (130, 143)
    run = run_folder(folder)
    resumed = supcon("resume", str(run), cwd=folder)
    assert resumed.wait() == 0, resumed.stderr
    assert "1 of 48 image files is bad and not used, as far as" in resumed.stderr
    same_network(run, folder / "whole" / whole.name)


def metric(run: Path, name: str) -> list[tuple[int, float]]:
    return [
        (event["step"], event["value"])
        for event in events(run)
        if event["event"] == "metric" and event["key"] == name
    ]


def same_network(one: Path, other: Path) -> None:
    states = [load_checkpoint(run / "checkpoints" / "last.pt") for run in (one, other)]
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name]), name


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"mean": 1, "std": 2}', '{"mean": [0.5]}', None]
)
def test_statistics_that_cannot_be_read_are_measured_again(
    tmp_path: Path, damage: str | None
) -> None:
    context = ViewContext(8, 3, True, (0.1, 1 / 3, 0.7), (0.25, 0.5, 1e-3))
    keep_statistics(tmp_path, context)
    assert kept_statistics(tmp_path) == (context.mean, context.std)
    place = tmp_path / "statistics.json"
    place.unlink()
    if damage is not None:
        place.write_text(damage)
    assert kept_statistics(tmp_path) is None

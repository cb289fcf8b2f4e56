"""Pictures of any channels and depth, as a user trains on them."""

import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.fresh import supcon
from tests.made_pictures import CHANNELS, DEPTHS, KINDS, TOP, pictures, write_picture, write_set


def recipe(folder: Path, data: dict[str, Any], **further: Any) -> str:
    made = {
        "name": "channels",
        "data": {"dataset": data, "image_size": 12, "validation": 0, **further},
        "model": {
            "backbone": {"kind": "conv4", "width": 8},
            "projector": {"hidden": 16, "dim": 8},
        },
        "stages": [
            {
                "name": "train",
                "epochs": 1,
                "batch_size": 10,
                "views": {"policy": "simaugment", "count": 2},
                "objective": [{"contrastive": {"selector": "label"}}, "cross_entropy"],
                "optimizer": {"kind": "sgd", "lr": 0.1},
            }
        ],
        "evaluation": ["knn"],
        "tracking": {"uri": "none"},
        "compute": {"workers": 0},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(made))
    return str(path)


def trains(folder: Path, kind: str, channels: int, depth: str) -> None:
    """One epoch, statistics that numpy agrees with, one line on what was left out."""
    data = write_set(folder / "data", kind, channels, depth)
    done = supcon("run", recipe(folder, data), cwd=folder)
    assert done.wait() == 0, done.stderr
    (kept,) = folder.glob("runs/*/statistics.json")
    found = json.loads(kept.read_text())
    pixels, _ = pictures(40, channels, depth)
    units = pixels[:20].astype(np.float64) / TOP[depth]
    np.testing.assert_allclose(found["mean"], units.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found["std"], units.std(axis=(0, 1, 2)), rtol=1e-12)
    told = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(told) == (channels != 3), done.stderr


ALL = list(product(KINDS, CHANNELS, DEPTHS))
FEW = [
    ("image_folder", 1, "uint16"),
    ("manifest", 3, "float32"),
    ("arrays", 4, "uint8"),
    ("image_folder", 12, "uint16"),
]


@pytest.mark.parametrize(("kind", "channels", "depth"), FEW)
def test_a_run(tmp_path: Path, kind: str, channels: int, depth: str) -> None:
    trains(tmp_path, kind, channels, depth)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "channels", "depth"), sorted({*ALL} - {*FEW}))
def test_every_run(tmp_path: Path, kind: str, channels: int, depth: str) -> None:
    trains(tmp_path, kind, channels, depth)


def refused(folder: Path, data: dict[str, Any], *parts: str, **further: Any) -> None:
    """Exit 2 before anything is written, in words that have these parts."""
    done = supcon("run", recipe(folder, data, **further), cwd=folder)
    assert done.wait() == 2, done.stderr
    told = " ".join(done.stderr.split())
    assert all(part in told for part in parts), told
    assert "Traceback" not in told and not (folder / "runs").exists()


def test_pictures_that_disagree_are_refused(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", "image_folder", 4, "uint8")
    odd = next((tmp_path / "data").rglob("07.*"), None) or next((tmp_path / "data").rglob("*07.*"))
    odd.unlink()
    write_picture(odd.with_name("odd.png"), pictures(1, 3, "uint8")[0][0])
    refused(tmp_path, data, "odd.png", "3 channels of uint8", "4 of uint8")


def test_a_wrong_number_of_means_is_refused(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", "arrays", 4, "uint8")
    refused(tmp_path, data, "4 numbers in data.mean", "got 3", mean=[0.5] * 3)


PLUGIN = """
import torch
from supcon_ext.models.base import Backbone, backbone

@backbone("colour_stem")
def colour_stem(channels: int) -> Backbone:
    layers = [torch.nn.Conv2d(3, 8, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return Backbone(torch.nn.Sequential(*layers), 8)
"""


def test_five_channels_under_a_stem_of_three_are_refused(tmp_path: Path) -> None:
    (tmp_path / "colour_stem.py").write_text(PLUGIN)
    path = recipe(tmp_path, write_set(tmp_path / "data", "arrays", 5, "uint8"))
    made = yaml.safe_load(Path(path).read_text())
    made["plugins"], made["model"]["backbone"] = ["colour_stem"], "colour_stem"
    Path(path).write_text(yaml.safe_dump(made))
    done = supcon(
        "run",
        path,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    assert done.wait() == 2, done.stderr
    assert "images of 3 channels" in done.stderr and "got 5" in " ".join(done.stderr.split())

"""From a folder of pictures to an audit of its labels in two commands, as a user calls them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from data_tools.vector_file import read_vectors
from supcon_ext.tracking.results import read_results
from tests.audit.coloured import paint
from tests.fresh import supcon

RECIPE = {
    "name": "features",
    "data": {"dataset": {"kind": "vectors", "file": "out/mine.npz"}, "validation": 0.1},
    "model": {
        "backbone": {"kind": "mlp", "hidden": [16, 16]},
        "projector": {"hidden": 16, "dim": 8},
    },
    "stages": [
        {
            "name": "one",
            "epochs": 10,
            "batch_size": 20,
            "views": {"policy": "gaussian_noise", "count": 2},
            "objective": [{"contrastive": {"selector": "label"}}, "cross_entropy"],
            "optimizer": {"kind": "adamw", "lr": 0.01},
        }
    ],
    "evaluation": [],
    "compute": {"accelerator": "cpu"},
    "tracking": {"uri": "none"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("two")
    paint(made / "images")
    (made / "out").mkdir()
    (made / "features.yaml").write_text(yaml.safe_dump(RECIPE))
    return made


def shown(page: Path) -> list[str]:
    (found,) = re.findall(r'"images":(\[.*?\])', page.read_text())
    pictures: list[str] = json.loads(found)
    return pictures


@pytest.mark.long
def test_two_commands(folder: Path) -> None:
    encoder = "tests.embed.slow_encoder.means"
    first = supcon("embed", encoder, "images", "-o", "out/mine.npz", "--size", "16", cwd=folder)
    assert first.wait() == 0, first.stderr
    assert first.stdout.startswith("wrote out/mine.npz: 60 x 6, ")
    second = supcon("audit", "features.yaml", cwd=folder)
    assert second.wait() == 0, second.stderr
    assert second.stdout.startswith("4 of 60 labels look wrong (6.7%)")
    assert "grey squares" not in second.stderr

    (run,) = (folder / "runs").iterdir()
    with (run / "audit" / "labels.csv").open() as file:
        flagged = {Path(row["path"]).name for row in csv.DictReader(file) if row["flagged"] == "1"}
    assert flagged == {"red-00.png", "red-01.png", "blue-00.png", "blue-01.png"}
    pictures = shown(run / "audit" / "index.html")
    assert len(set(pictures)) == len(pictures) >= 4  # every one is a picture of its own

    third = supcon("audit", run.name, "--apply", "corrected.csv", cwd=folder)
    assert third.wait() == 0, third.stderr
    assert "data.noise={kind: from_file, file: corrected.csv}" in third.stdout
    (overrides,) = re.findall(r"next: supcon run \S+ '(.*)'", third.stdout)
    clean = supcon("audit", "features.yaml", overrides, cwd=folder)
    assert clean.wait() == 0, clean.stderr
    assert clean.stdout.startswith("0 of 60 labels look wrong")

    made_by = read_results(run)["made_by"]  # the run's record names who made its vectors
    assert made_by == dict(read_vectors(folder / "out" / "mine.npz").meta)
    assert made_by["encoder"] == encoder and len(made_by["weights"]) == 64
    assert encoder in (run / "journal.jsonl").read_text()

    shutil.move(folder / "images", folder / "gone")
    again = supcon("audit", run.name, cwd=folder)
    assert again.wait() == 0, again.stderr
    assert "grey squares stand for pictures" in again.stderr
    assert len(set(shown(run / "audit" / "index.html"))) == 1

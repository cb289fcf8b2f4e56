"""A manifest's columns reach the selector, texts too; a missing one is told before training."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from supcon_ext.experiment import CannotStart, dry_run, run
from supcon_ext.losses.rows import PairTile
from supcon_ext.recipe import parse_recipe
from supcon_ext.selectors.base import PositiveSelector, selector
from supcon_ext.training.columns import row_columns

SEEN: list[PairTile] = []


@selector("test_same_scanner")
class SameScanner(PositiveSelector):
    """The same label and the same scanner."""

    def targets(self, pairs: PairTile) -> torch.Tensor:
        SEEN.append(pairs)
        return pairs.same("label") & pairs.same("scanner")


def test_texts_become_numbers_and_empty_ones_are_unknown() -> None:
    found = row_columns(
        {
            "scanner": np.asarray(["b", "", "a", "b", None], dtype=object),
            "age": np.asarray([3, 1, 2, 5, 4]),
            "dose": np.asarray([0.5, 1.0, 2.0, 3.0, 4.0], dtype=np.float32),
            "path": np.asarray(list("vwxyz"), dtype=object),
        },
        torch.device("cpu"),
    )
    assert found.keys() == {"scanner", "age", "dose"}
    assert found["scanner"].tolist() == [1, -1, 0, 1, -1]
    assert found["age"].tolist() == [3, 1, 2, 5, 4] and found["dose"].dtype == torch.float32


def manifest(place: Path, columns: dict[str, list[str]]) -> dict[str, Any]:
    """A recipe on 24 pictures of two classes with further columns."""
    drawn = np.random.default_rng(0)
    rows = []
    for number in range(24):
        pixels = drawn.integers(0, 256, (10, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
        more = {name: values[number % len(values)] for name, values in columns.items()}
        rows.append({"path": f"{number}.png", "label": "ab"[number % 2], **more})
    with (place / "list.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return {
        "name": "columns",
        "plugins": [__name__],
        "data": {
            "dataset": {"kind": "manifest", "file": str(place / "list.csv")},
            "validation": 0,
            "image_size": 8,
            "duplicates": "ignore",
        },
        "model": {"backbone": {"kind": "conv4", "width": 2}, "projector": {"hidden": 8, "dim": 8}},
        "stages": [
            {
                "name": "train",
                "epochs": 1,
                "batch_size": 12,
                "objective": [{"contrastive": {"selector": "test_same_scanner"}}],
                "schedule": "constant",
            }
        ],
        "evaluation": [],
        "tracking": {"uri": "none"},
    }


def test_a_selector_sees_a_column_of_texts(tmp_path: Path) -> None:
    made = manifest(tmp_path, {"scanner": ["GE", "Philips", ""]})
    run(parse_recipe(made), folder=tmp_path / "run")
    rows = SEEN[-1].anchors
    assert set(rows.column("scanner").tolist()) == {0, 1, -1}
    expected = torch.tensor([(0, 1, -1)[index % 3] for index in rows.index.tolist()])
    assert torch.equal(rows.column("scanner"), expected)


def test_a_missing_column_is_told_before_the_first_step(tmp_path: Path) -> None:
    made = manifest(tmp_path, {"camera": ["one", "two"]})
    expected = (
        r"a column `scanner` of the data set, which the selector of "
        r"`stages.train.objective.contrastive` names, but there are: camera\. "
        r"Try: a manifest with a column `scanner`"
    )
    with pytest.raises(CannotStart, match=expected):
        dry_run(parse_recipe(made))

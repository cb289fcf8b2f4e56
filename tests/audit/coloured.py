"""A folder of images in three plain colours, some in the wrong class's folder, and its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 50)}
WRONG = {"red": "blue", "blue": "green"}


def paint(root: Path, per_class: int = 20, wrong: int = 2) -> set[str]:
    """Write ``root/<class>/*.png``; the paths of the ``2 * wrong`` images in a wrong folder."""
    random = np.random.default_rng(0)
    misplaced = set()
    for name, colour in COLOURS.items():
        for number in range(per_class):
            pixels = np.clip(np.array(colour) + random.normal(0, 12, (16, 16, 3)), 0, 255)
            away = number < wrong and name in WRONG
            folder = root / (WRONG[name] if away else name)
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}-{number:02}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
            if away:
                misplaced.add(str(path))
    return misplaced


def recipe(dataset: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A small network trained on agreeing labels for seconds."""
    return {
        "name": "coloured",
        "data": {"dataset": dataset, "image_size": 16, "validation": 0.1},
        "model": {
            "backbone": {"kind": "conv4", "width": 8},
            "projector": {"hidden": 16, "dim": 8},
        },
        "stages": [
            {
                "name": "one",
                "epochs": 6,
                "batch_size": 24,
                "views": {"policy": "weak", "count": 2},
                "objective": [
                    {"contrastive": {"selector": "label", "temperature": 0.2}},
                    {"cross_entropy": {}},
                ],
                "optimizer": {"kind": "adamw", "lr": 0.01},
            }
        ],
        "evaluation": [],
        "compute": {"accelerator": "cpu"},
        "tracking": {"uri": "none"},
        **changes,
    }

"""A run without batch statistics, in as many processes as the launcher starts.

``torchrun --nproc-per-node 2 -m tests.experiment.parallel FOLDER 2``
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from torch import nn

from supcon_ext.models.base import Backbone, backbone


@backbone("pixels")
def pixels(channels: int) -> Backbone:
    """A linear map of 8 x 8 images: nothing in it depends on the other images of a batch."""
    return Backbone(nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, 32), nn.Tanh()), 32)


def recipe(devices: int) -> dict[str, Any]:
    return {
        "name": "parallel",
        "plugins": ["tests.experiment.parallel"],
        "data": {
            "dataset": {"kind": "digits", "size": 8},
            "noise": {"kind": "symmetric", "rate": 0.4},
        },
        "model": {
            "backbone": "pixels",
            "projector": {"hidden": 16, "dim": 8, "batch_norm": False},
            "ema": 0.9,
        },
        "stages": [
            {
                "name": "train",
                "epochs": 2,
                "batch_size": 200,
                "drop_last": False,
                "objective": [{"contrastive": {"queue": 800}}, "cross_entropy"],
                "optimizer": {"kind": "sgd", "lr": 0.05},
                "clip_norm": 1.0,
            }
        ],
        "tracking": {"uri": "none"},
        "compute": {"accelerator": "cpu", "devices": devices, "strategy": "auto"},
    }


def main() -> None:
    from supcon_ext.experiment import run
    from supcon_ext.recipe import parse_recipe

    run(parse_recipe(recipe(int(sys.argv[2]))), folder=Path(sys.argv[1]))


if __name__ == "__main__":
    main()

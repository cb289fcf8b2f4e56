"""Plug-in backbones for tests: quick to make, as slow as asked, and some that are wrong."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from supcon_ext import Backbone

DIM = 6


class Means(nn.Module):
    """A linear map of each picture's quarters' means; its numbers stand for weights."""

    def __init__(self, channels: int, factor: float = 1.0) -> None:
        super().__init__()
        self.map = nn.Linear(4 * channels, DIM)
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        time.sleep(float(os.environ.get("SLOW_ENCODER", "0")))
        quarters = nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)
        return self.map(quarters) * self.factor


class Particular(Means):
    """One that says how it wants its pictures, as timm's networks do."""

    pretrained_cfg: ClassVar[dict[str, Any]] = {
        "input_size": (3, 20, 20),
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.5, 0.6),
        "crop_pct": 0.8,
    }


def means(channels: int) -> Backbone:
    return Backbone(Means(channels), DIM)


def particular(channels: int) -> Backbone:
    return Backbone(Particular(channels), DIM)


def saying(channels: int) -> Backbone:
    made = Backbone(Means(channels), DIM)
    made.own_input = SimpleNamespace(mean=(0.3, 0.2, 0.1), std=(0.6, 0.5, 0.4), size=18)
    return made


def large(channels: int) -> Backbone:
    return Backbone(Means(channels, 1e6), DIM)


def nothing(channels: int) -> Backbone:
    return Backbone(Means(channels, 0.0), DIM)


def not_a_number(channels: int) -> Backbone:
    return Backbone(Means(channels, float("nan")), DIM)


def no_encoder(channels: int) -> Tensor:
    return torch.zeros(channels)

"""Small inputs whose answers are known."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from supcon_ext.evaluation.base import Embedded, EvaluationInput


@dataclass(frozen=True)
class Groups:
    many: tuple[int, ...] = ()
    medium: tuple[int, ...] = ()
    few: tuple[int, ...] = ()
    rule: str = "by hand"


def embedded(features, label, logits=None):
    features = torch.as_tensor(np.asarray(features), dtype=torch.float32)
    label = torch.as_tensor(np.asarray(label), dtype=torch.int64)
    return Embedded(features, F.normalize(features, dim=1), logits, label, torch.arange(len(label)))


def blobs(count, classes=3, features=5, spread=0.3, seed=0):
    """Gaussian clouds around fixed centres, in random order."""
    centre = np.random.default_rng(99).normal(size=(classes, features)) * 1.5
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, count)
    return centre[label] + spread * rng.normal(size=(count, features)), label


def blob_input(seed=0, spread=0.3, sizes=(120, 60, 80), **others):
    parts = [embedded(*blobs(n, spread=spread, seed=i)) for i, n in enumerate(sizes)]
    names = ("cat", "dog", "hen")
    return EvaluationInput(*parts, names, Groups(many=(0,), few=(1, 2)), seed=seed, **others)

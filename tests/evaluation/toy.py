"""Small inputs whose answers are known."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from data_tools.input_spec import InputSpec
from data_tools.vector_rows import VectorRows
from supcon_ext.evaluation.base import Embedded, EvaluationInput
from supcon_ext.evaluation.tunable import Tunable
from supcon_ext.models.base import Backbone


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


def as_it_is(x, key):
    """The view of a vector: itself."""
    return torch.from_numpy(np.asarray(x, np.float32).reshape(-1))


def with_encoder(data, trunk=None):
    """An input with the samples themselves, of an encoder that gives a vector back as it is."""
    width = data.train.features.shape[1]
    dim = width if trunk is None else trunk.eval()(torch.zeros(2, width)).shape[1]
    encoder = Tunable(
        Backbone(nn.Identity() if trunk is None else trunk, dim),
        InputSpec.of_vectors(width),
        as_it_is,
        as_it_is,
        torch.device("cpu"),
    )
    parts = {
        name: replace(part, samples=VectorRows(part.features.numpy()))
        for name in ("train", "validation", "test")
        if (part := getattr(data, name)) is not None
    }
    return replace(data, **parts, encoder=encoder)

"""Small synthetic sets beside small real ones, whose verdicts can be said by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_tools.datasets.base import Splits
from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet
from data_tools.vector_rows import VectorRows
from supcon_ext.synthetic.features import FeatureBank
from supcon_ext.synthetic.filter import (
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    asked_verdict,
    synthetic_filter,
)
from supcon_ext.synthetic.real_training import RealTraining

PARAMETERS: dict[str, dict[str, Any]] = {"score_column": {"column": "score", "at_least": 0.4}}
"""What filters are given in place of their defaults."""

CLASSES = ("cat", "dog", "owl")


def real_vectors(rows: Any, label: Any, trust: Any = None) -> RealTraining:
    x = np.asarray(rows, dtype=np.float32)
    return RealTraining.of(
        Splits(SampleSet(x, np.asarray(label, dtype=np.int64), CLASSES), None, False), trust
    )


def real_pictures(samples: Any, label: Any, trust: Any = None) -> RealTraining:
    train = SampleSet(np.asarray(samples), np.asarray(label, dtype=np.int64), CLASSES)
    return RealTraining.of(Splits(train, None, False), trust)


def beside(real: RealTraining, samples: Any, **known: Any) -> SyntheticSet:
    if real.samples.spec.kind == "vector":
        samples = VectorRows(np.asarray(samples, dtype=np.float32))
    return SyntheticSet.of(samples, real.samples.spec, real.samples.classes, **known)


def made(name: str, **params: Any) -> SyntheticFilter:
    part: SyntheticFilter = synthetic_filter.spec({"kind": name, **params}).build()
    return part


def judged(name: str, synthetic: SyntheticSet, real: RealTraining, **params: Any) -> FilterVerdict:
    data = FilterInput(synthetic, real, FeatureBank(synthetic, real), np.arange(len(synthetic)))
    return asked_verdict(made(name, **params), data)

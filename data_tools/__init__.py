"""Data sets, label noise and imbalance for experiments: numpy in, numpy out, usable alone.

Names are imported when they are first used, so importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_tools.datasets.base import Splits
    from data_tools.imbalance.exponential import exponential_counts
    from data_tools.labels_file import LabelTable, read_labels
    from data_tools.noise.base import NoisyLabels
    from data_tools.prepared import PreparedData, Truth, prepare_data
    from data_tools.samples import SampleSet
    from data_tools.shot_groups import ShotGroups
    from data_tools.validation import stratified_holdout

_HOMES = {
    "SampleSet": "samples",
    "LabelTable": "labels_file",
    "PreparedData": "prepared",
    "NoisyLabels": "noise.base",
    "ShotGroups": "shot_groups",
    "Splits": "datasets.base",
    "Truth": "prepared",
    "exponential_counts": "imbalance.exponential",
    "prepare_data": "prepared",
    "read_labels": "labels_file",
    "stratified_holdout": "validation",
}

__all__ = [
    "LabelTable",
    "NoisyLabels",
    "PreparedData",
    "SampleSet",
    "ShotGroups",
    "Splits",
    "Truth",
    "exponential_counts",
    "prepare_data",
    "read_labels",
    "stratified_holdout",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

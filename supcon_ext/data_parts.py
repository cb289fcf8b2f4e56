"""What the data's families are made with, for authors of plug-ins; ``data_tools`` holds them."""

from data_tools.datasets.base import Splits, dataset
from data_tools.imbalance.base import imbalance
from data_tools.input_spec import InputSpec
from data_tools.noise.base import NoisyLabels, noise
from data_tools.prepared import PreparedData
from data_tools.registry import Part
from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet

__all__ = [
    "InputSpec",
    "NoisyLabels",
    "Part",
    "PreparedData",
    "SampleSet",
    "Splits",
    "SyntheticSet",
    "dataset",
    "imbalance",
    "noise",
]

"""Samples of which no labels are known, as a set of one class."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSequence, SampleSet

UNKNOWN = ("unlabelled",)
"""The class of samples that nothing is known of."""


def unlabelled(samples: SampleSequence, spec: InputSpec, **columns: Any) -> SampleSet:
    """Samples whose classes are not known.

    Args:
        samples: N of them.
        spec: What they are.
        columns: ``(N,)`` each, what is known of them.
    """
    label = np.zeros(len(samples), dtype=np.int64)
    return SampleSet(samples, label, UNKNOWN, columns=columns, spec=spec)

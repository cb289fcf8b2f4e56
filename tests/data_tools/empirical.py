"""What noise did, counted."""

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray


def empirical_transition(given: IntArray, truth: IntArray, classes: int) -> npt.NDArray[np.float64]:
    """``(C, C)`` share of the samples of each true class (row) with each given label (column).

    Open-set samples (truth -1) are left out. The row of a class without samples is nan.
    """
    known = truth >= 0
    joint = np.bincount(truth[known] * classes + given[known], minlength=classes**2)
    counts = joint.reshape(classes, classes).astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.full_like(counts, np.nan)
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares

"""Half-way between plain shuffling and balanced classes."""

from __future__ import annotations

import numpy as np

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import ClassSampler, Shares


@sampler("square_root")
class SquareRoot(ClassSampler):
    """Classes by the square root of their size: P(c) is proportional to n_c ** 0.5.

    Source: Mahajan et al. 2018; Kang et al. 2020, "Decoupling representation and classifier", eq. 1
    with q = 1/2.

    Args:
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each.
    """

    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """Square roots of the counts."""
        return np.sqrt(counts.astype(np.float64))

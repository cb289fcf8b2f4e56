"""Every class equally often."""

from __future__ import annotations

import numpy as np

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import ClassSampler, Shares


@sampler("class_balanced")
class ClassBalanced(ClassSampler):
    """Every class equally often: P(c) = 1 / C over the classes that have samples.

    Source: Kang et al. 2020, "Decoupling representation and classifier", eq. 1 with q = 0.

    Args:
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each.
    """

    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """1 of each class."""
        return np.ones(len(counts))

"""Rare classes most often."""

from __future__ import annotations

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import ClassSampler, Shares


@sampler("reversed")
class Reversed(ClassSampler):
    """Rare classes most often: P(c) is proportional to 1 / n_c.

    Source: the reversed sampler of BBN (Zhou et al. 2020).

    Args:
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each.
    """

    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """Inverses of the counts."""
        return 1.0 / counts

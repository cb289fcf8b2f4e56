"""From plain shuffling to balanced classes, over the stage."""

from __future__ import annotations

from data_tools.images import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import ClassSampler, Shares


@sampler("progressive")
class Progressive(ClassSampler):
    """From plain shuffling to balanced classes: P(c) = (1 - t/T) n_c / N + (t/T) / C.

    t is the number of epochs of the stage that are done, T the stage's epochs. Source: Kang et al.
    2020, "Decoupling representation and classifier", eq. 2.

    Args:
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each.
    """

    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """The mixture of both shares at this epoch."""
        done = data.epoch / data.epochs
        mixture: Shares = (1 - done) * counts / counts.sum() + done / len(counts)
        return mixture

"""From plain shuffling to balanced classes, over the stage."""

from __future__ import annotations

from typing import Literal

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import ClassSampler, Shares


@sampler("progressive")
class Progressive(ClassSampler):
    """From plain shuffling to balanced classes: P(c) = (1 - t/T) n_c / N + (t/T) / C.

    t is the number of epochs of the stage that are done, T the stage's epochs. Source: Kang et al.
    2020, "Decoupling representation and classifier", eq. 2. The authors' code divides by T - 1, so
    that the last epoch is balanced wholly: ``to_the_end``.

    Args:
        to_the_end: t / (T - 1) in place of t / T.
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each.
    """

    def __init__(self, to_the_end: bool = False, only: Literal["all", "trusted"] = "all") -> None:
        super().__init__(only)
        self.to_the_end = to_the_end

    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """The mixture of both shares at this epoch."""
        done = data.epoch / max(data.epochs - self.to_the_end, 1)
        mixture: Shares = (1 - done) * counts / counts.sum() + done / len(counts)
        return mixture

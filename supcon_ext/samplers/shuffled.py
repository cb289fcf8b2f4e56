"""Every sample once an epoch, in random order."""

from __future__ import annotations

from typing import Literal

import numpy as np

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler


@sampler("shuffled")
class Shuffled:
    """Every sample once an epoch, in random order.

    Args:
        only: ``all`` samples, the ``trusted`` ones: those that were selected before or are by this
            stage's selector (Sel-CL+ fine-tunes on them alone), or the ``real`` ones.
    """

    def __init__(self, only: Literal["all", "trusted", "real"] = "all") -> None:
        self.only = only

    def order(self, data: SamplerInput) -> IntArray:
        """A permutation."""
        members = np.arange(len(data.label))
        if self.only == "trusted":
            members = np.flatnonzero(data.trusted)
        elif self.only == "real" and data.synthetic is not None:
            members = np.flatnonzero(~data.synthetic)
        return data.generator.permutation(members).astype(np.int64)

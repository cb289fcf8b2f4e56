"""The control of every table: samples kept by lot."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from data_tools.randomness import generator
from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import rank_in_class


@selector("random_k")
class RandomK(SampleSelector):
    """Keeps a share of each class at random, drawn anew in each epoch.

    What a selector gains over it is due to whom it chooses, not to how many.

    Args:
        fraction: Share of each class that is kept, rounded to the nearest number (half up), at
            least one sample.
        seed: Of the draw, together with the epoch.
    """

    def __init__(
        self,
        fraction: Annotated[float, Field(gt=0, le=1)] = 0.5,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.fraction = fraction
        self.seed = seed

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Draw lots; the largest of each class are kept."""
        lots = generator(f"random_k, epoch {epoch}", self.seed).random(len(bank))
        score = torch.from_numpy(lots)
        size = torch.bincount(bank.label, minlength=bank.classes)
        number = (self.fraction * size.double() + 0.5).floor().long().clamp(min=1)
        kept = rank_in_class(score, bank.label) < number[bank.label]
        return Selection.of(bank.label, kept, {"kept": float(kept.sum())}, score)

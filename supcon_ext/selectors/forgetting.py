"""Forgetting events: samples whose label is predicted, and then no longer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.mixtures import DIVIDEMIX, gaussian_mixture, low_component


@selector("forgetting")
class Forgetting(SampleSelector):
    """Believes samples that are seldom forgotten once learned (Toneva et al. 2019).

    A sample is forgotten when its given label is predicted at one refresh and not at the next. One
    that has never been learned counts as forgotten at every refresh, since wrong labels are among
    the last that a network learns. The paper ranks samples by this number and draws no line; here
    two Gaussians are fitted to it, and a sample is believed if its posterior of the component of
    fewer events, which never rises with their number, is above the threshold. Numbers that are all
    the same keep every sample, with a warning.

    Args:
        threshold: Posterior above which a sample is believed.
    """

    requires = frozenset({"logits"})

    def __init__(self, threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5) -> None:
        self.threshold = threshold
        self.refreshes = 0
        self.right: Tensor | None = None
        self.learned: Tensor | None = None
        self.events: Tensor | None = None

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Count the events, and fit the mixture to their numbers.

        Raises:
            ValueError: The number of samples is not that of the refresh before.
        """
        events, learned = self._count(bank.need("logits").argmax(1) == bank.label)
        forgotten = torch.where(learned, events, self.refreshes).float()
        posterior, stats = low_component(
            forgotten,
            partial(gaussian_mixture, em=DIVIDEMIX, monotone=True),
            bank.label,
            bank.classes,
            per_class=False,
        )
        trust = (posterior > self.threshold).float()
        stats = {
            "confident": float(trust.sum()),
            "forgotten": float(events.sum()),
            "never_learned": float((~learned).sum()),
            **stats,
        }
        return Selection.of(bank.label, trust, stats, -forgotten)

    def _count(self, right: Tensor) -> tuple[Tensor, Tensor]:
        """Take up one refresh: events so far, and who has been learned."""
        if self.right is None or self.learned is None or self.events is None:
            events, learned = torch.zeros(len(right), dtype=torch.int64), right
        elif len(self.right) != len(right):
            raise ValueError(
                f"Expected the same {len(self.right)} samples at every refresh of `forgetting`, "
                f"but got {len(right)}. Try: `forgetting` before selectors that leave some out"
            )
        else:
            events, learned = self.events + (self.right & ~right), self.learned | right
        self.refreshes += 1
        self.right, self.events, self.learned = right, events, learned
        return events, learned

    def state_dict(self) -> dict[str, Any]:
        """The number of refreshes, the last predictions, the events, and who has been learned."""
        return {
            "refreshes": self.refreshes,
            "right": self.right,
            "learned": self.learned,
            "events": self.events,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.refreshes = int(state["refreshes"])
        self.right, self.learned, self.events = state["right"], state["learned"], state["events"]

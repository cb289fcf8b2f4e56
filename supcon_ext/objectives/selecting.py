"""Terms that have a positive selector of their own: asked when it is time, guarded, and saved."""

from __future__ import annotations

from abc import ABC
from typing import Any, cast

import torch

from supcon_ext.losses.supcon import SupConLoss
from supcon_ext.objectives.base import StepBatch, Term, TrainingFacts
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection
from supcon_ext.selectors.base import selector as selectors
from supcon_ext.selectors.guards import guarded
from supcon_ext.selectors.unlabelled import labelled_part, over_all
from supcon_ext.weightings.base import Weighting


class SelectingTerm(Term, ABC):
    """A term whose loss has a selector and a weighting; a subclass makes ``loss``.

    Args:
        selector: Which pairs are positives.
        refresh_every: Epochs between two selections.
        refresh_from: Epochs of the stage before the first selection; until then all are trusted.
        min_per_class: Samples of each class that stay trusted at least.
    """

    loss: SupConLoss

    def __init__(
        self,
        selector: PositiveSelector | str,
        refresh_every: int,
        refresh_from: int,
        min_per_class: int,
    ) -> None:
        super().__init__()
        self.selector = selectors.make(selector)
        self.refresh_every = refresh_every
        self.refresh_from = refresh_from
        self.min_per_class = min_per_class

    @property
    def requires(self) -> frozenset[str]:
        """What the selector needs of the bank."""
        return self.selector.requires

    @property
    def selector_in_use(self) -> PositiveSelector:
        """The selector."""
        return self.selector

    @property
    def weighting(self) -> Weighting:
        """The weighting; the loss holds it."""
        return cast(Weighting, self.loss.weighting)

    def setup(self, facts: TrainingFacts) -> None:
        """Tell the weighting what is known."""
        self.weighting.setup(facts)

    def cap_seed(self, batch: StepBatch) -> int:
        """Of the step's draw of ``positives_cap``; nothing is drawn where there is no cap."""
        if self.loss.positives_cap is None:
            return 0
        return int(torch.randint(2**31, (), generator=batch.generator))

    def due(self, epoch: int) -> bool:
        """Whether a selection is to be made."""
        since = epoch - self.refresh_from
        return since >= 0 and since % self.refresh_every == 0

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Let the selector look at the training set, and see that enough stays of every class."""
        if not self.due(epoch):
            return None
        made = ask(self.selector, labelled_part(bank), epoch)
        if made is None:
            return None
        return over_all(guarded(made, bank.classes, self.min_per_class), bank)

    def get_extra_state(self) -> dict[str, Any]:
        """The selector's state, saved with the term."""
        return self.selector.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Give the selector its state back."""
        self.selector.load_state_dict(state)

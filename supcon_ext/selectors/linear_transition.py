"""Trust in a label by an estimated transition matrix: how likely the class is, once it is told.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.transition import estimate_transition

logger = logging.getLogger(__name__)


@selector("linear_transition")
class LinearTransition(SampleSelector):
    """Trusts a label by how likely its class is, to a linear head and an estimated matrix.

    The toolkit's own, for frozen or pretrained encoders, where classes are rare and many labels
    wrong: how often each class is given each label is estimated, no sample being known to be right,
    and with it the labels' own word counts for what it is worth. See
    :func:`~supcon_ext.selectors.transition.estimate_transition`. Weigh a cross-entropy by the trust
    (``weigh_by_trust``), or learn the posterior (``target: posterior``).

    Each refresh fits some 30 linear heads, and ten more for each doubt that it looks into. Where
    fewer than two classes have samples every sample is trusted.

    Args:
        soft: Trust by the probability; otherwise wholly above a half and not at all below.
        seed: Of the folds.
    """

    requires = frozenset({"features"})
    provides = frozenset({"posterior"})

    def __init__(self, soft: bool = True, seed: Annotated[int, Field(ge=0)] = 0) -> None:
        self.soft = soft
        self.seed = seed
        self._l2: float | None = None

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Estimate the matrix, and ask what each label says."""
        label, classes = bank.label, bank.classes
        if int((label.bincount() > 0).sum()) < 2:
            logger.warning("fewer than two classes have samples: keeping every sample")
            return Selection.of(label, torch.ones(len(label)))
        made = estimate_transition(
            bank.need("features"), label, classes, seed=self.seed, l2=self._l2
        )
        self._l2 = made.l2
        own = made.posterior.gather(1, label[:, None])[:, 0]
        stats = {"wrong": 1 - float(own.mean()), "l2": made.l2, "objective": made.objective}
        trust = own if self.soft else own > 0.5
        return Selection.of(label, trust, stats, own, made.posterior)

    def state_dict(self) -> dict[str, Any]:
        """The penalty that was chosen."""
        return {"l2": self._l2}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self._l2 = state["l2"]

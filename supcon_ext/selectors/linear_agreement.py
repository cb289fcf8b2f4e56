"""Agreement with a balanced linear head that has not seen the sample: for features that are good.

Shape letters: N samples, F features, C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from data_tools.randomness import generator
from supcon_ext.logistic_regression import Rotated, fit_logistic_regression
from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import folds_by_class

logger = logging.getLogger(__name__)

FOLDS = 5
TOLERANCE = 1e-4
L2_GRID = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)


@selector("linear_agreement")
class LinearAgreement(SampleSelector):
    """Trusts a label as far as a balanced linear head, fitted on other samples, prefers it.

    The toolkit's own, for frozen or pretrained encoders, where a linear head that ignores wrong
    labels is hard to beat (NI-ERM, Zhu et al. 2024) because it is too simple to learn them by
    heart. Logistic regression on standardised features gives each sample log probabilities from
    the other folds; less the log share of each given label they are those of balanced classes, in
    which a rare label is not outvoted for its rarity. m is that of the given label less the best
    other one. Trust is ``sigmoid(sharpness m)``: at 1 the odds of the label against its rival, at 2
    their square; it is above 0.5 where the head agrees. Weigh a cross-entropy by it
    (``weigh_by_trust``), so that samples near a border, which classifiers need, keep a say.

    The posterior is that of balanced classes. Where fewer than two classes have samples every
    sample is trusted.

    Args:
        l2: Penalty of the head beside the mean loss, or ``out_of_sample``: of seven from 3 to 0.001
            the one under which a fifth of the given labels is likeliest to the head of the others,
            chosen at the first refresh.
        sharpness: How fast trust falls with the head's disagreement.
        soft: Trust by the sigmoid; otherwise wholly or not at all.
        seed: Of the folds.
    """

    requires = frozenset({"features"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        l2: Annotated[float, Field(gt=0, allow_inf_nan=False)]
        | Literal["out_of_sample"] = "out_of_sample",
        sharpness: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0,
        soft: bool = True,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.l2 = l2
        self.sharpness = sharpness
        self.soft = soft
        self.seed = seed
        self._chosen = None if isinstance(l2, str) else l2

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Fit the head on each four of five folds, and ask it about the fifth."""
        label, classes = bank.label, bank.classes
        count = label.bincount(minlength=classes)
        if int((count > 0).sum()) < 2:
            logger.warning("fewer than two classes have samples: keeping every sample")
            return Selection.of(label, torch.ones(len(label)))
        x = standardised(bank.need("features"))
        fold = held_out(label, self.seed).to(x.device)
        if self._chosen is None:
            self._chosen = likeliest_penalty(x, label, classes, fold == 0)
        log_p = out_of_sample(x, label, classes, fold, self._chosen)
        balanced = as_balanced(log_p, count)
        own = _own(balanced, label)
        rival = balanced.scatter(1, label[:, None], -torch.inf).amax(1)
        margin = own - rival
        agreed = margin > 0
        trust = torch.sigmoid(self.sharpness * margin) if self.soft else agreed
        stats = {
            "agreed": float(agreed.sum()),
            "l2": self._chosen,
            "log_likelihood": float(_own(log_p, label).mean()),
        }
        return Selection.of(label, trust, stats, torch.sigmoid(margin), balanced.exp().float())

    def state_dict(self) -> dict[str, Any]:
        """The penalty that was chosen."""
        return {"l2": self._chosen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self._chosen = state["l2"]


def held_out(label: Tensor, seed: int) -> Tensor:
    """``(N,)`` int64 which of five folds each sample is in, every class evenly.

    Args:
        label: ``(N,)`` int64.
        seed: Of the lots.
    """
    lots = torch.from_numpy(generator("linear_agreement", seed).random(len(label)))
    return folds_by_class(lots, label, FOLDS)


def as_balanced(log_p: Tensor, count: Tensor) -> Tensor:
    """``(N, C)`` log probabilities as they were if all classes had as many samples.

    Args:
        log_p: ``(N, C)`` log probabilities.
        count: ``(C,)`` samples of each class.
    """
    share = count.clamp(min=1).to(log_p)
    return (log_p - (share / share.sum()).log()).log_softmax(1)


def likeliest_penalty(x: Tensor, label: Tensor, classes: int, out: Tensor) -> float:
    """The penalty of the grid under which labels held out are likeliest.

    Args:
        x: ``(N, F)``.
        label: ``(N,)`` int64.
        classes: C.
        out: ``(N,)`` bool, who is held out.
    """
    fit: dict[float, float] = {}
    model, seen = None, Rotated.of(x[~out])
    for l2 in L2_GRID:
        model = fit_logistic_regression(seen, label[~out], classes, l2, model, tolerance=TOLERANCE)
        fit[l2] = float(_own(model.logits(x[out]).log_softmax(1), label[out]).mean())
    return max(fit, key=lambda l2: fit[l2])


def out_of_sample(x: Tensor, label: Tensor, classes: int, fold: Tensor, l2: float) -> Tensor:
    """``(N, C)`` float64 log probabilities of each sample from heads fitted on the other folds.

    Args:
        x: ``(N, F)``.
        label: ``(N,)`` int64.
        classes: C.
        fold: ``(N,)`` int64.
        l2: Strength of the penalty.
    """
    made = x.new_zeros(len(x), classes)
    for held in range(int(fold.max()) + 1):
        out = fold == held
        model = fit_logistic_regression(x[~out], label[~out], classes, l2, tolerance=TOLERANCE)
        made[out] = model.logits(x[out]).log_softmax(1)
    return made


def standardised(reference: Tensor, features: Tensor | None = None) -> Tensor:
    """``(N, F)`` float64 features, less the mean and divided by the spread of the reference.

    Args:
        reference: ``(R, F)``; a coordinate that does not vary is only shifted.
        features: ``(N, F)``; None for the reference itself.
    """
    x = reference.double()
    spread = x.std(0, correction=0)
    rows = x if features is None else features.double()
    return (rows - x.mean(0)) / torch.where(spread > 0, spread, 1.0)


def _own(log_p: Tensor, label: Tensor) -> Tensor:
    return log_p.gather(1, label[:, None])[:, 0]

"""Sel-CL's similarity loss: two samples of one class should be predicted alike.

Shape letters: R rows (views times batch), C classes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.asking import asked_targets
from supcon_ext.losses.mixup import MixupRule
from supcon_ext.losses.rows import PairRule, PairTile
from supcon_ext.objectives.base import StepBatch, Term, TermResult, TrainingFacts, term
from supcon_ext.objectives.passes import Pass, mixed_pass
from supcon_ext.selectors.base import PositiveSelector
from supcon_ext.selectors.base import selector as selectors

SMALLEST = 1e-6  # of a probability, before its logarithm


@term("similarity")
class Similarity(Term):
    """Binary cross-entropy between p_i . p_j and whether the pair is a positive (Li et al. 2022).

    p are the classifier's softmax outputs. The mean is over all pairs of rows of this process's
    batch but a row with itself. The published code adds pairs of the batch with the queue, counts a
    mixed pair's partner twice and lets the diagonal into the mean; this does not.

    Args:
        selector: Which pairs are positives, by what the stage's samples are believed to be; null
            takes the rule of the stage's contrastive term.
        mixup: Alpha of Mixup, as in the contrastive term, with which the mixed pass is then shared.
    """

    weight = 0.01  # Sel-CL's
    trains_classifier = True

    def __init__(
        self,
        selector: Annotated[str, Field(min_length=1)] | None = None,
        mixup: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__()
        self.rule: PairRule | None = None if selector is None else selectors.make(selector)
        self.mixup = mixup

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Plain or mixed inputs."""
        return (mixed_pass(self.mixup),)

    def setup(self, facts: TrainingFacts) -> None:
        """Take the stage's pair rule.

        Raises:
            ValueError: There is none, and none was given.
        """
        found: PositiveSelector | None = facts.selector
        if self.rule is None and found is None:
            raise ValueError(
                "Expected a term with a selector in the stage of `similarity`, but got none. "
                "Try: selector: label"
            )
        self.rule = self.rule or found

    def forward(self, batch: StepBatch) -> TermResult:
        """The mean over pairs; logs the mean p_i . p_j of positives and of the others."""
        if self.rule is None:
            raise ValueError("Expected `setup` to be called first")
        mine = batch.rows(self.views)
        mix, rule = None, self.rule
        if self.mixup:
            mix, outputs = batch.mixed(self.mixup, 0.0)
            rule = MixupRule(rule)
        else:
            outputs = batch.outputs()
        p = outputs.logits[mine.place].float().softmax(1)
        rows = mine.rows(outputs.z[mine.place].detach(), mix)
        pairs = PairTile(rows, rows, rows.z @ rows.z.T)
        target = asked_targets(rule, pairs).float().clamp(max=1.0)
        alike = (p @ p.T).clamp(SMALLEST, 1 - SMALLEST)
        other = ~pairs.itself()
        loss = functional.binary_cross_entropy(alike[other], target[other])
        return TermResult(loss, _means(alike.detach()[other], target[other]))


def _means(alike: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Mean likeness of positives and of the others, where there are any."""
    parts = {"positives": alike[target > 0.5], "others": alike[target <= 0.5]}
    return {name: part.mean() for name, part in parts.items() if len(part)}

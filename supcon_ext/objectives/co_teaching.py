"""Two networks that teach each other by the samples of small loss."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.losses.gather import global_mean
from supcon_ext.models.network import Network
from supcon_ext.objectives.base import StepBatch, Term, TermResult, TrainingFacts, term
from supcon_ext.objectives.batch import passes
from supcon_ext.objectives.passes import Pass
from supcon_ext.stage_epochs import StageEpochs


@term("co_teaching")
class CoTeaching(Term):
    """Each of two networks picks the samples of small loss that the other learns from.

    Co-teaching (Han et al. 2018): in each batch, each network keeps ``int((1 - R_t) B)`` samples of
    smallest cross-entropy, at least one, and the other is trained on them. R_t rises from 0 in the
    first epoch to ``rate`` in the last of ``ramp_epochs``, and stays. With rate 0 both learn from
    every sample: two ordinary networks, which selectors that compare two need. Each process picks
    from its own share of the batch.

    The authors' code divides each network's loss by the number of kept samples once more, its first
    epoch is the second of the ramp, and with an exponent c the ramp ends at ``rate^c``.

    The second network is like the run's own, with weights of its own; it is trained and saved with
    this term, and goes on into the next stage if that has such a term too. What is measured and
    exported is the first.

    Args:
        rate: Share of the samples dropped in the end: the noise rate, as far as it is known.
        ramp_epochs: Epochs in which R_t rises to it.
        exponent: Power of the share of the ramp that is done; 1 rises linearly.
        samples: ``all`` samples, or the ``confident`` ones, which the stage's selector trusts.
        weight: Factor of this term, so of each network's loss.
    """

    trains_classifier = True

    def __init__(
        self,
        rate: Annotated[float, Field(ge=0, le=1)] = 0.2,
        ramp_epochs: Annotated[
            int,
            Field(ge=1),
            StageEpochs("fewer are dropped than `rate` says", begins=False, beside="rate"),
        ] = 10,
        exponent: Annotated[float, Field(gt=0)] = 1.0,
        samples: Literal["all", "confident"] = "all",
    ) -> None:
        super().__init__()
        self.rate = rate
        self.ramp_epochs = ramp_epochs
        self.exponent = exponent
        self.samples = samples
        self.network_2: nn.Module | None = None

    @property
    def peer(self) -> Network | None:
        """The second network."""
        return cast(Network | None, self.network_2)

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Plain inputs, through each network."""
        return Pass(), Pass("peer", views=self.views, share=1.0)

    def setup(self, facts: TrainingFacts) -> None:
        """Make the second network.

        Raises:
            ValueError: Nobody says how.
        """
        if facts.new_network is None:
            raise ValueError("Expected `new_network` in the facts of training, but got none")
        self.network_2 = facts.new_network("peer")

    def forget_rate(self, epoch: int) -> float:
        """R_t at an epoch, from 0."""
        last = max(self.ramp_epochs - 1, 1)
        return float(self.rate * min((epoch / last) ** self.exponent, 1.0))

    def forward(self, batch: StepBatch) -> TermResult:
        """The sum of both networks' losses on what the other picked."""
        if self.network_2 is None:
            raise ValueError("Expected `setup` to be called first")
        rows = batch.rows(self.views)
        inputs = batch.inputs if self.views is None else [batch.groups[self.views].x]
        first = batch.outputs().logits[rows.place].float()
        second = passes(self.network_2, inputs, batch.synthetic(self.views)).logits.float()
        label = rows.label
        known = label >= 0
        if self.samples == "confident":
            known = known & (rows.trust > 0.5)
        known = known[: rows.sizes[0]]  # of each sample; its views know the same
        wanted = label.clamp(min=0)
        losses = [functional.cross_entropy(x, wanted, reduction="none") for x in (first, second)]
        rate = self.forget_rate(batch.epoch)
        picked = [keep_smallest(rows.by_sample(loss.detach()), known, rate) for loss in losses]
        views = len(rows.sizes)
        mean_1, _ = global_mean(losses[0], picked[1].float().repeat(views))
        mean_2, _ = global_mean(losses[1], picked[0].float().repeat(views))
        agree = (picked[0] & picked[1]).float().sum() / picked[0].float().sum().clamp(min=1)
        kept = picked[0].float().mean()
        return TermResult(mean_1 + mean_2, {"kept": kept, "same_picked": agree})


def keep_smallest(loss: Tensor, known: Tensor, rate: float) -> Tensor:
    """``(B,)`` bool: the ``int((1 - rate) n)`` known samples of smallest loss, at least one.

    Args:
        loss: ``(B,)``.
        known: ``(B,)`` bool; n of them are.
        rate: In [0, 1].
    """
    count = int(known.sum())
    kept = torch.zeros_like(known)
    if count == 0:
        return kept
    number = max(1, int((1 - rate) * count + 1e-6))
    order = loss.masked_fill(~known, torch.inf).argsort(stable=True)
    kept[order[:number]] = True
    return kept

"""Two networks that teach each other by the samples of small loss."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.losses.gather import global_mean
from supcon_ext.models.network import Network
from supcon_ext.objectives.base import OverStage, StepBatch, Term, TermResult, TrainingFacts, term
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
        over_stage: How that factor goes over the stage: ``constant``, ``falling`` or ``rising``.
        views: Name of the view group to classify; null for all views.
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
        weight: Annotated[float, Field(ge=0)] = 1.0,
        over_stage: OverStage = "constant",
        views: str | None = None,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.ramp_epochs = ramp_epochs
        self.exponent = exponent
        self.samples = samples
        self.weight = weight
        self.over_stage = over_stage
        self.views = views
        self.network_2: nn.Module | None = None

    @property
    def peer(self) -> Network | None:
        """The second network."""
        return cast(Network | None, self.network_2)

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
        rows = batch.view_rows(self.views)
        images = batch.images[rows]
        first = batch.outputs().logits[rows].float()
        second = self.network_2(images.flatten(0, 1)).logits.float().view_as(first)
        known = batch.label >= 0
        if self.samples == "confident":
            known = known & (batch.trust > 0.5)
        losses = [_losses(logits, batch.label) for logits in (first, second)]
        rate = self.forget_rate(batch.epoch)
        picked = [keep_smallest(loss.detach().mean(0), known, rate) for loss in losses]
        mean_1, _ = global_mean(losses[0].flatten(), _weights(picked[1], rows))
        mean_2, _ = global_mean(losses[1].flatten(), _weights(picked[0], rows))
        agree = (picked[0] & picked[1]).float().sum() / picked[0].float().sum().clamp(min=1)
        kept = picked[0].float().mean()
        return TermResult(mean_1 + mean_2, {"kept": kept, "same_picked": agree})


def _losses(logits: Tensor, label: Tensor) -> Tensor:
    """``(V, B)`` cross-entropy."""
    wanted = label.clamp(min=0).expand(len(logits), -1)
    losses = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
    return losses.view_as(wanted)


def _weights(picked: Tensor, rows: list[int]) -> Tensor:
    return picked.float().repeat(len(rows))


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

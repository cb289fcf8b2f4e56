"""One selector after the other: the second looks only at what the first keeps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn import functional

from data_tools.registry import Part
from supcon_ext.losses.factors import Factors, factors_of
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector
from supcon_ext.selectors.combination import follows_trust, standing

logger = logging.getLogger(__name__)


@selector("then")
class Then(PositiveSelector):
    """Lets a second selector judge what a first one keeps, and say which pairs are positives.

    The second sees a bank of the kept samples alone, numbered anew, with the first one's labels and
    losses against these. Where the first keeps fewer than two samples the second is not asked, with
    a warning. Trust is the smaller of both; the score puts whoever the first keeps before all
    others. A selector that knows single samples by their number, from a file or from earlier
    epochs, can be first, not second.

    Args:
        first: Whose trust above 0.5 keeps a sample.
        second: Whose targets hold among the kept ones; any other sample is left with its own views.
    """

    def __init__(
        self,
        first: Annotated[PositiveSelector | str, Part("selector")] = "knn_agreement",
        second: Annotated[PositiveSelector | str, Part("selector")] = "confident_pairs",
    ) -> None:
        self.first = selector.make(first)
        self.second = selector.make(second)
        self.requires = self.first.requires | self.second.requires
        if "loss" in self.second.requires:
            self.requires |= {"logits"}
        self.provides = self.first.provides | self.second.provides
        self.place: Tensor | None = None

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Ask the first, then the second about what is left."""
        made = ask(self.first, bank, epoch)
        if made is None:
            self.place = torch.arange(len(bank))
            return ask(self.second, bank, epoch)
        rows = (made.trust > 0.5).nonzero()[:, 0]
        self.place = torch.full((len(bank),), -1)
        if len(rows) < 2:
            logger.warning(
                "the first selector keeps %d samples: the second is not asked", len(rows)
            )
            return made
        self.place[rows] = torch.arange(len(rows))
        later = ask(self.second, _kept(bank, rows, made.label[rows]), epoch)
        if later is None:
            later = Selection.of(made.label[rows], torch.ones(len(rows)))
        return _joined(made, later, rows)

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)``: the second selector's, or the views of one sample that it has not seen."""
        anchors, contrasts = self._seen(pairs.anchors), self._seen(pairs.contrasts)
        found = self.second.targets(PairTile(anchors, contrasts, pairs.similarity_AK))
        new = self._judged(pairs.anchors)[:, None] & self._judged(pairs.contrasts)[None, :]
        unseen = (anchors.index < 0)[:, None]
        return torch.maximum(found * new, (pairs.same("index") & unseen).to(found.dtype))

    def factors(self, views: Rows) -> Factors | None:
        """Where the second selector follows from label and trust alone, its own."""
        return factors_of(self.second, views) if follows_trust(self.second) else None

    def _seen(self, views: Rows) -> Rows:
        """The views as the second selector numbers them, -1 for those that it has not seen."""
        if self.place is None:
            return views
        if self.place.device != views.index.device:
            self.place = self.place.to(views.index.device)
        inside = (views.index >= 0) & (views.index < len(self.place))
        place = self.place[views.index.clamp(0, len(self.place) - 1)]
        return replace(views, index=torch.where(inside, place, -1))

    def _judged(self, views: Rows) -> Tensor:
        """``(N,)`` bool: kept by the first, trusted since (by a guard), or no sample at all."""
        return (self._seen(views).index >= 0) | (views.trust > 0.5) | (views.index < 0)

    def state_dict(self) -> dict[str, Any]:
        """Both states, and how the second numbers the samples."""
        return {
            "first": self.first.state_dict(),
            "second": self.second.state_dict(),
            "place": self.place,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.first.load_state_dict(state["first"])
        self.second.load_state_dict(state["second"])
        self.place = state["place"]


def _kept(bank: SampleBank, rows: Tensor, label: Tensor) -> SampleBank:
    kept = bank.take(rows)
    if torch.equal(kept.label, label):
        return kept
    if kept.loss is not None and kept.logits is not None:
        loss = functional.cross_entropy(kept.logits, label, reduction="none")
        return replace(kept, label=label, loss=loss)
    return replace(kept, label=label)


def _joined(first: Selection, second: Selection, rows: Tensor) -> Selection:
    """What both say: of the kept rows the second's word, of the others the first's."""
    trust, label, role = first.trust.clone(), first.label.clone(), first.role.clone()
    trust[rows] = torch.minimum(trust[rows], second.trust)
    label[rows], role[rows] = second.label, second.role
    score = standing(first.ranking)
    score[rows] = 1 + standing(second.ranking)
    posterior = first.posterior
    if second.posterior is not None:
        shape = (len(trust), second.posterior.shape[1])
        posterior = second.posterior.new_zeros(shape) if posterior is None else posterior.clone()
        posterior[rows] = second.posterior
    stats = {f"first/{key}": value for key, value in first.stats.items()}
    stats |= {f"second/{key}": value for key, value in second.stats.items()}
    return Selection(trust, label, role, stats, score, posterior)

"""Two witnesses of each given label: its neighbours, and a linear head that has not seen it.

Letters: N samples, K neighbours, F features, C classes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.logistic_regression import fit_logistic_regression
from supcon_ext.selectors.agreement import two_round_agreement
from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.flips import flipped
from supcon_ext.selectors.linear_agreement import (
    TOLERANCE,
    as_balanced,
    held_out,
    likeliest_penalty,
    out_of_sample,
    standardised,
)
from supcon_ext.selectors.neighbours import NeighbourGraph
from supcon_ext.selectors.rule import told_by_rule

logger = logging.getLogger(__name__)

PER_CLASS = 0.5
"""Neighbours that vote on a sample, by the size of its class."""
ODDS = 3.0
"""How much likelier than the given label another one must be in balanced classes."""
LEAST_SAID = 1e-9
"""No class is less likely than this to a head."""
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)
RATES = 40
"""Rates of wrong labels that are tried, evenly from 0 to 0.8."""


@selector("two_witnesses")
class TwoWitnesses(SampleSelector):
    """Trusts a label as far as its neighbours and a linear head together bear it out.

    The toolkit's own, for classes so rare that votes alone trust none of their right labels. See
    :func:`hear`. Where fewer than two classes have samples every sample is trusted.

    Args:
        neighbours: At most this many vote on a sample, and no more than half as many as its given
            class has.
        soft: Trust by the probability of the given label, were all classes as large; otherwise
            wholly or not at all, by whether it is flagged.
        seed: Of the folds.
    """

    requires = frozenset({"features", "z"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1)] = 250,
        soft: bool = True,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.neighbours = neighbours
        self.soft = soft
        self.seed = seed
        self._l2: float | None = None

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Hear both on every label."""
        label, device = bank.label, bank.label.device
        if int((label.bincount() > 0).sum()) < 2:
            logger.warning("fewer than two classes have samples: keeping every sample")
            return Selection.of(label, torch.ones(len(label)))
        graph = voting(bank, self.neighbours)
        heard = hear(
            graph, bank.need("features"), label.cpu(), bank.classes, seed=self.seed, l2=self._l2
        )
        self._l2 = heard.l2
        own = heard.balanced.float().to(device)
        trust = own if self.soft else (~heard.flagged).to(device)
        stats = {
            "flagged": float(heard.flagged.sum()),
            "flipped": float(heard.flipped.sum()),
            "l2": heard.l2,
            "temperature": heard.temperature,
        }
        return Selection.of(label, trust, stats, own, heard.p.float().to(device))

    def state_dict(self) -> dict[str, Any]:
        """The penalty that was chosen."""
        return {"l2": self._l2}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self._l2 = state["l2"]


@dataclass(frozen=True, eq=False)
class Hearing:
    """What both say of N given labels.

    Attributes:
        p: ``(N, C)`` float64 probability of each class; rows sum to 1.
        own: ``(N,)`` float64 that of the given label.
        balanced: ``(N,)`` float64 the same, were all classes as large.
        flagged: ``(N,)`` bool, whether another label is likelier, in balanced classes too, or the
            label is a flip.
        flipped: ``(N,)`` bool, whether it is a flip (:func:`~supcon_ext.selectors.flips.flipped`).
        votes: ``(N, C)`` float64 log of what the neighbours alone say.
        l2: Penalty of the head.
        temperature: Of the product.
    """

    p: Tensor
    own: Tensor
    balanced: Tensor
    flagged: Tensor
    flipped: Tensor
    votes: Tensor
    l2: float
    temperature: float


def voting(bank: SampleBank, neighbours: int) -> NeighbourGraph:
    """Who may vote on each sample, on the CPU.

    Args:
        bank: Of N samples, at least two.
        neighbours: At most so many.
    """
    graph = bank.neighbours(min(neighbours, len(bank) - 1))
    return NeighbourGraph(graph.index.cpu(), graph.similarity.cpu())


def hear(
    graph: NeighbourGraph,
    features: Tensor,
    label: Tensor,
    classes: int,
    voters: int | None = None,
    *,
    seed: int = 0,
    l2: float | None = None,
) -> Hearing:
    """Hear the neighbours and a linear head on each label, and say how far both bear it out.

    The neighbours vote in two rounds (Sel-CL, Li et al. 2022, eq. 1 and 2), at most half as many as
    the given class has samples; the head is that of the selector `linear_agreement`: fitted on
    other samples, as if all classes had as many. Both shares are smoothed alike, by as many voters
    as a class of that size has, and multiplied. The votes are counted once as they are and once
    each class by its size, and the geometric mean is taken, for neither is right: as they are a
    rare class is outvoted, and by size a frequent one.

    The two are not independent, so the product is too sure. It is raised to the power, 1 over a
    temperature, under which the given labels are likeliest, if besides a share of them were drawn
    at random. Nothing but the labels themselves can tell an error of the encoder from one of a
    label: where the encoder confuses two classes surely, the probability is too high.

    A label is flagged if another is likelier, and three times as likely were all classes as large:
    so that no label is doubted for the rarity of its class alone. The only sample of a class is not
    flagged: no other could bear it out. Where many images of one class carry the label of another,
    classes are not counted by their size, for that is what makes the other class large: such a
    label is flagged, and judged by both witnesses as they are. The toolkit's own.

    Args:
        graph: Nearest neighbours, all of them among those that vote; themselves excluded.
        features: ``(N, F)`` of the encoder.
        label: ``(N,)`` int64 given labels, of at least two classes.
        classes: C.
        voters: The first V samples have a say, also in the head; the others, those of a test split,
            are judged and have none. None: all have.
        seed: Of the folds.
        l2: Penalty of the head; None chooses it.
    """
    count = len(label) if voters is None else voters
    size = torch.bincount(label[:count], minlength=classes)
    reach = (PER_CLASS * size[label]).ceil().clamp(1, graph.index.shape[1]).double()[:, None]
    log_p, l2 = _head(features.cpu(), label, classes, count, seed, l2)
    head = _log_smoothed(as_balanced(log_p, size).exp(), reach)
    counted, by_size = (_log_smoothed(vote, reach) for vote in _votes(graph, label, classes, count))
    votes = (counted + by_size) / 2
    both = head + votes
    temperature = temperature_of(both[:count], label[:count])
    p = (both / temperature).softmax(1)
    own = _of(p, label)
    rival = head + by_size
    lead = rival.max(1).values - _of(rival, label)
    flagged = (p.max(1).values > own) & (lead > math.log(ODDS)) & (size[label] > 1)
    balanced = _of((rival / temperature).softmax(1), label)
    as_they_are = _log_smoothed(log_p.exp(), reach) + counted
    flip = flipped(label, as_they_are.argmax(1), classes, count)
    p = torch.where(flip[:, None], (as_they_are / temperature).softmax(1), p)
    own = _of(p, label)
    balanced = torch.where(flip, own, balanced)
    return Hearing(p, own, balanced, flagged | flip, flip, votes, l2, temperature)


def hear_rule(
    heard: Hearing, head: Tensor, rule: Tensor, label: Tensor, voters: int | None = None
) -> Hearing:
    """What both say of each label where wrong labels have a rule.

    Labels that are wrong by a rule agree with each other, and only by the rule can they be told
    from right ones. So each of the two is told the label through it, and the mean of what they say
    then is believed: a label is flagged where another class is likelier. Flips are judged as they
    are without: where most labels of a rare class are another's, its own images are too few to tell
    what they look like.

    Args:
        heard: What they say without.
        head: ``(N, C)`` probability of each class to a linear head through the rule, which has not
            seen the sample.
        rule: ``(C, C)`` of :func:`~supcon_ext.selectors.rule.rule_in`.
        label: ``(N,)`` int64 given labels.
        voters: The first V samples have a say. None: all have.
    """
    witnesses = head.clamp(min=LEAST_SAID).log(), heard.votes
    p = told_by_rule(witnesses, rule, label, voters)
    p = torch.where(heard.flipped[:, None], heard.p, p)
    own = _of(p, label)
    alone = torch.bincount(label[:voters], minlength=p.shape[1])[label] <= 1
    flagged = heard.flipped | ((p.max(1).values > own) & ~alone)
    return replace(heard, p=p, own=own, balanced=own, flagged=flagged)


def _head(
    features: Tensor, label: Tensor, classes: int, count: int, seed: int, l2: float | None
) -> tuple[Tensor, float]:
    """``(N, C)`` log probabilities, of heads that have not seen the sample."""
    given = label[:count]
    x = standardised(features[:count], features)
    fold = held_out(given, seed)
    if l2 is None:
        l2 = likeliest_penalty(x[:count], given, classes, fold == 0)
    log_p = out_of_sample(x[:count], given, classes, fold, l2)
    if count < len(label):
        whole = fit_logistic_regression(x[:count], given, classes, l2, tolerance=TOLERANCE)
        log_p = torch.cat([log_p, whole.logits(x[count:]).log_softmax(1)])
    return log_p, l2


def _votes(graph: NeighbourGraph, label: Tensor, classes: int, count: int) -> tuple[Tensor, Tensor]:
    """``(N, C)`` float64 shares of the second round, as they are and each class by its size.

    Those without a say change no others.
    """

    def cast(rows: int) -> Tensor:
        part = NeighbourGraph(graph.index[:rows], graph.similarity[:rows])
        found = two_round_agreement(part, label[:rows], classes, per_class=PER_CLASS, balanced=True)
        return torch.stack([found.counted, found.vote]).double()

    votes = cast(count)
    if count < len(label):
        votes = torch.cat([votes, cast(len(label))[:, count:]], dim=1)
    return votes[0], votes[1]


def temperature_of(log_p: Tensor, label: Tensor) -> float:
    """The temperature of a grid under which given labels are likeliest, some being random.

    Args:
        log_p: ``(N, C)`` what is divided by it before the softmax.
        label: ``(N,)`` int64.
    """
    share = torch.bincount(label, minlength=log_p.shape[1]).double()[label] / len(label)
    rate = torch.linspace(0, 0.8, RATES + 1, dtype=torch.float64)[:, None]
    found = {}
    for temperature in TEMPERATURES:
        own = _of((log_p / temperature).softmax(1), label)
        likelihood = ((1 - rate) * own + rate * share).clamp(min=1e-12).log().mean(1)
        found[temperature] = float(likelihood.max())
    return max(found, key=lambda each: found[each])


def _log_smoothed(share: Tensor, voters: Tensor) -> Tensor:
    """Rule of succession over C classes: one more vote for each."""
    return ((share * voters + 1) / (voters + share.shape[1])).log()


def _of(values: Tensor, label: Tensor) -> Tensor:
    return values.gather(1, label[:, None])[:, 0]

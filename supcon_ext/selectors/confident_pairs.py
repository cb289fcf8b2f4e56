"""Sel-CL: positives are pairs whose labels both look right, or that look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.rows import PairTile
from supcon_ext.selectors.agreement import (
    Interpolation,
    agreeing_per_class,
    equal_number_per_class,
    two_round_agreement,
)
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector
from supcon_ext.selectors.per_class import warn_of_small_classes

SAMPLED_PAIRS = 1_000_000
SHRINKAGE = 100  # pairs at which a class's own threshold weighs as much as the global one


@selector("confident_pairs")
class ConfidentPairs(PositiveSelector):
    """Same label, and both samples confident or similar beyond a threshold (Li et al. 2022).

    At the start of each epoch the nearest neighbours vote in two rounds; each class keeps the same
    number of samples that agree best (the confident ones); the similarity threshold is a quantile
    over pairs of confident samples with the same label, taken from the features of that moment. The
    views of one sample are always positives. Until the first refresh every pair with the same label
    is one.

    The authors' code differs from the paper, and is followed in what it changes on purpose:
    similarities equal to the threshold pass, and votes are uniform (its later version weighs them).
    Not followed: it takes most samples for a neighbour of themselves; its quantile counts each pair
    twice and each sample with itself, which raises the threshold of small classes; and where no
    sample of a class agrees it keeps none. For ``fraction: 0.5`` alone it takes the lower of two
    middle numbers: ``interpolation: lower``, as the recipes of its published figures do.

    With rare classes, ``per_class: threshold``, ``balanced_votes``, ``neighbours_per_class`` and
    ``pair_threshold: per_class`` take the place of Sel-CL's one number for all classes.

    Args:
        neighbours: K of the votes.
        fraction: Quantile over classes of the number that agree: how many each class keeps.
        per_class: How many each class keeps: an ``equal`` number (Sel-CL); ``proportional``, the
            ``fraction``-quantile over classes of the share that agrees; or ``threshold``, those
            that agree.
        interpolation: Of that quantile for ``equal``, between the numbers of two classes:
            ``linear``, or the ``lower`` of them.
        balanced_votes: Weigh votes by one over the size of the class that they are for, but for
            labels that many images of another class carry.
        neighbours_per_class: At most this many times the size of its class vote on a sample.
        pair_threshold: ``global``, or ``per_class``: a quantile of each class, drawn to the global
            one where a class has few pairs.
        pair_fraction: Quantile over similarities of confident pairs: the threshold for the others.
            0 is the smallest of them, so that nearly every pair with the same label passes.
        seed: Of the sample of pairs, where there are more than a million.
    """

    requires = frozenset({"z"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1)] = 250,
        fraction: Annotated[float, Field(ge=0, le=1)] = 0.5,
        pair_fraction: Annotated[float, Field(ge=0, le=1)] = 0.25,
        per_class: Literal["equal", "proportional", "threshold"] = "equal",
        interpolation: Interpolation = "linear",
        balanced_votes: bool = False,
        neighbours_per_class: Annotated[float, Field(gt=0)] | None = None,
        pair_threshold: Literal["global", "per_class"] = "global",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.neighbours = neighbours
        self.fraction = fraction
        self.pair_fraction = pair_fraction
        self.per_class = per_class
        self.interpolation = interpolation
        self.balanced_votes = balanced_votes
        self.neighbours_per_class = neighbours_per_class
        self.pair_threshold = pair_threshold
        self.seed = seed
        self.z: Tensor | None = None
        self.threshold = torch.ones(1)

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        """Vote, choose the confident samples and the threshold."""
        z = functional.normalize(bank.need("z").float(), dim=1)
        if self.neighbours_per_class is None and not self.balanced_votes:
            warn_of_small_classes(bank.label, bank.classes, self.neighbours)
        agreement = two_round_agreement(
            bank.neighbours(self.neighbours),
            bank.label,
            bank.classes,
            balanced=self.balanced_votes,
            per_class=self.neighbours_per_class,
        )
        voted = agreement.loss, bank.label, bank.classes, agreement.agrees
        if self.per_class == "equal":
            kept = equal_number_per_class(*voted, self.fraction, self.interpolation)
        else:
            share = self.fraction if self.per_class == "proportional" else None
            kept = agreeing_per_class(*voted, share)
        found = self._confident_similarities(z, bank.label, kept, bank.classes, epoch)
        every = torch.cat(found)
        overall = quantile(every, self.pair_fraction) if len(every) else torch.tensor(1.0)
        self.threshold = overall[None]
        if self.pair_threshold == "per_class":
            self.threshold = torch.stack(
                [
                    torch.lerp(
                        overall,
                        quantile(part, self.pair_fraction) if len(part) else overall,
                        len(part) / (len(part) + SHRINKAGE),
                    )
                    for part in found
                ]
            )
        self.z = z
        stats = {
            "confident": float(kept.sum()),
            "threshold": float(overall),
            "agreement": float(agreement.agrees.float().mean()),
        }
        return Selection.of(bank.label, kept.float(), stats, -agreement.loss, agreement.vote)

    def _confident_similarities(
        self, z: Tensor, label: Tensor, kept: Tensor, classes: int, epoch: int
    ) -> list[Tensor]:
        """By class, similarities of unordered pairs of confident samples; a sample if many."""
        members = [(kept & (label == c)).nonzero()[:, 0] for c in range(classes)]
        sizes = torch.tensor([len(m) for m in members])
        pairs = sizes * (sizes - 1) // 2
        if int(pairs.sum()) <= SAMPLED_PAIRS:
            return [_all_pairs(z[m]) for m in members]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        share = pairs.double() / pairs.sum()
        found = []
        for who, part in zip(members, (share * SAMPLED_PAIRS).long().tolist(), strict=True):
            found.append(z.new_zeros(0))
            if len(who) > 1 and part:
                first = torch.randint(len(who), (part,), generator=generator)
                step = torch.randint(1, len(who), (part,), generator=generator)
                second = (first + step) % len(who)
                found[-1] = (z[who[first]] * z[who[second]]).sum(1)
        return found

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        same = pairs.same("label")
        own = pairs.same("index")
        if self.z is None:
            return same | own
        anchor, contrast = pairs.anchors, pairs.contrasts
        both = (anchor.trust > 0.5)[:, None] & (contrast.trust > 0.5)[None, :]
        alike = self._features(anchor.index) @ self._features(contrast.index).T
        return (same & (both | (alike >= self._thresholds(anchor.label)[:, None]))) | own

    def _thresholds(self, label: Tensor) -> Tensor:
        """``(A,)`` similarity from which pairs of an anchor's class are positives."""
        threshold = self.threshold.to(label.device)
        if len(threshold) == 1:
            return threshold.expand(len(label))
        return threshold[label.clamp(min=0)]

    def _features(self, index: Tensor) -> Tensor:
        """Features of the refresh; zero for rows that it did not see (prototypes)."""
        z = self.z
        if z is None:
            raise ValueError("Expected a refresh first")
        if z.device != index.device:
            z = self.z = z.to(index.device)
        return z[index.clamp(0, len(z) - 1)] * ((index >= 0) & (index < len(z)))[:, None]

    def state_dict(self) -> dict[str, Any]:
        """Features and threshold."""
        return {"z": self.z, "threshold": self.threshold}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.z, self.threshold = state["z"], state["threshold"]


def _all_pairs(z: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(len(z), len(z), offset=1)
    return (z[rows] * z[columns]).sum(1)


def quantile(values: Tensor, share: float) -> Tensor:
    """Linear quantile of a vector of any length (``torch.quantile`` stops at 16 million)."""
    ordered = values.sort().values
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return torch.lerp(ordered[low], ordered[high], place - low)

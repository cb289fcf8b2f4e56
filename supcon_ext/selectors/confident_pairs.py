"""Sel-CL: positives are pairs whose labels both look right, or that look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.pairs import PairTile
from supcon_ext.selectors.agreement import equal_number_per_class, two_round_agreement
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector
from supcon_ext.selectors.neighbours import nearest_neighbours

SAMPLED_PAIRS = 1_000_000


@selector("confident_pairs")
class ConfidentPairs(PositiveSelector):
    """Same label, and both samples confident or similar beyond a threshold (Li et al. 2022).

    At the start of each epoch the nearest neighbours vote in two rounds; each class keeps the same
    number of samples that agree best (the confident ones); the similarity threshold is a quantile
    over pairs of confident samples with the same label, taken from the features of that moment. The
    views of one sample are always positives. Until the first refresh every pair with the same label
    is one.

    Args:
        neighbours: K of the votes.
        fraction: Quantile over classes of the number that agree: how many each class keeps.
        pair_fraction: Quantile over similarities of confident pairs: the threshold for the others.
            0 is the smallest of them, so that nearly every pair with the same label passes.
        seed: Of the sample of pairs, where there are more than a million.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"z"})

    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1)] = 250,
        fraction: Annotated[float, Field(ge=0, le=1)] = 0.5,
        pair_fraction: Annotated[float, Field(ge=0, le=1)] = 0.25,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.neighbours = neighbours
        self.fraction = fraction
        self.pair_fraction = pair_fraction
        self.seed = seed
        self.z: Tensor | None = None
        self.threshold = 1.0

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        """Vote, choose the confident samples and the threshold."""
        if bank.z is None:
            raise ValueError("Expected `z` in the bank, but got none")
        z = functional.normalize(bank.z.float(), dim=1)
        agreement = two_round_agreement(
            nearest_neighbours(z, self.neighbours), bank.label, bank.classes
        )
        kept = equal_number_per_class(
            agreement.loss, bank.label, bank.classes, agreement.agrees, self.fraction
        )
        similarity = self._confident_similarities(z, bank.label, kept, epoch)
        self.threshold = float(quantile(similarity, self.pair_fraction)) if len(similarity) else 1.0
        self.z = z
        stats = {
            "confident": float(kept.sum()),
            "threshold": self.threshold,
            "agreement": float(agreement.agrees.float().mean()),
        }
        return Selection.of(bank.label, kept.float(), stats)

    def _confident_similarities(self, z: Tensor, label: Tensor, kept: Tensor, epoch: int) -> Tensor:
        """Similarities of unordered pairs of confident samples with one label; a sample if many."""
        members = [(kept & (label == c)).nonzero()[:, 0] for c in torch.unique(label).tolist()]
        sizes = torch.tensor([len(m) for m in members])
        pairs = sizes * (sizes - 1) // 2
        if int(pairs.sum()) <= SAMPLED_PAIRS:
            return torch.cat([_all_pairs(z[m]) for m in members])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        share = pairs.double() / pairs.sum()
        found = []
        for who, part in zip(members, (share * SAMPLED_PAIRS).long().tolist(), strict=True):
            if len(who) > 1 and part:
                first = torch.randint(len(who), (part,), generator=generator)
                step = torch.randint(1, len(who), (part,), generator=generator)
                second = (first + step) % len(who)
                found.append((z[who[first]] * z[who[second]]).sum(1))
        return torch.cat(found)

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        same = pairs.same("label")
        own = pairs.same("index")
        if self.z is None:
            return same | own
        anchor, contrast = pairs.anchors, pairs.contrasts
        both = (anchor.trust > 0.5)[:, None] & (contrast.trust > 0.5)[None, :]
        alike = self._features(anchor.index) @ self._features(contrast.index).T
        return (same & (both | (alike >= self.threshold))) | own

    def _features(self, index: Tensor) -> Tensor:
        """Features of the refresh; zero for rows that are no sample (prototypes)."""
        z = self.z
        if z is None:
            raise ValueError("Expected a refresh first")
        if z.device != index.device:
            z = self.z = z.to(index.device)
        return z[index.clamp(min=0)] * (index >= 0)[:, None]

    def state_dict(self) -> dict[str, Any]:
        """Features and threshold."""
        return {"z": self.z, "threshold": self.threshold}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.z, self.threshold = state["z"], float(state["threshold"])


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

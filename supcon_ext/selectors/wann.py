"""WANN's reliability: how soon the neighbours agree with the label."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import constant, warn_of_small_classes
from supcon_ext.selectors.reliability import adaptive_neighbours, check_neighbourhood


@selector("wann")
class Wann(SampleSelector):
    """Trusts samples by how soon their neighbours agree with them (Di Salvo et al. 2025, WANN).

    The paper's reliability of a sample is 1 / k, of the least number k of neighbours whose majority
    is its label, from kmin up by two; kmax where none is. It weighs votes by it (evaluator
    ``wann``) and selects nothing. Here the trust is kmin / k, in [kmin / kmax, 1], and a sample is
    believed above 0.5: of k below twice kmin. Neighbours are those by cosine of the backbone's
    features; theirs are by distance of standardised ones. Features that are all the same keep every
    sample, with a warning.

    Args:
        kmin: The smallest neighbourhood.
        kmax: The largest.
    """

    requires = frozenset({"features"})

    def __init__(
        self,
        kmin: Annotated[int, Field(ge=1)] = 11,
        kmax: Annotated[int, Field(ge=2)] = 51,
    ) -> None:
        check_neighbourhood(kmin, kmax)
        self.kmin = kmin
        self.kmax = kmax

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Let the neighbourhoods grow until they agree."""
        warn_of_small_classes(bank.label, bank.classes, self.kmin)
        graph = bank.neighbours(self.kmax, "features")
        cast = bank.label[graph.index]
        number = adaptive_neighbours(cast, bank.label, bank.classes, self.kmin, self.kmax)
        if constant(graph.similarity.flatten()):
            number = torch.full_like(number, self.kmin)
        trust = self.kmin / number
        stats = {
            "confident": float((trust > 0.5).sum()),
            "at_once": float((number == self.kmin).sum()),
            "never": float((number == self.kmax).sum()),
        }
        return Selection.of(bank.label, trust, stats)

"""Selectors that break the contract are told apart (tests/testing has the registered ones)."""

import pytest
import torch

from supcon_ext.losses import PairTile, Rows
from supcon_ext.losses.factors import Factors
from supcon_ext.selectors import PositiveSelector, SampleBank, Selection
from supcon_ext.testing import check_selector


class SameScanner(PositiveSelector):
    """Positives share the label and the scanner that took them."""

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("label") & pairs.same("scanner")


def test_a_selector_that_reads_a_column() -> None:
    check_selector(SameScanner(), {"scanner": torch.arange(24) % 2})
    with pytest.raises(ValueError, match="scanner"):
        check_selector(SameScanner())


class Label(PositiveSelector):
    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("label")


class WrongShape(Label):
    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("label")[:, 0]


class Negative(Label):
    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.similarity_AK - 2


class SeesTheTile(Label):
    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("label") & (pairs.similarity_AK >= pairs.similarity_AK.mean())


class Forgetful(Label):
    calls = 0

    def targets(self, pairs: PairTile) -> torch.Tensor:
        self.calls += 1
        return pairs.same("label") if self.calls % 2 else pairs.same("index")


class BadTrust(Label):
    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        return Selection.of(bank.label, 2 * torch.ones(len(bank)))


class WrongFactors(Label):
    def factors(self, views: Rows) -> Factors:
        return Factors(views.index)


class LosesState(Label):
    def __init__(self) -> None:
        self.threshold = 0.0

    def refresh(self, bank: SampleBank, epoch: int) -> None:
        self.threshold = 0.2

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("label") & (pairs.similarity_AK > self.threshold)

    def state_dict(self) -> dict[str, float]:
        return {"threshold": 0.9}

    def load_state_dict(self, state: dict[str, float]) -> None:  # type: ignore[override]
        self.threshold = state["threshold"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (WrongShape(), "one for each pair"),
        (Negative(), "negative"),
        (SeesTheTile(), "tile"),
        (Forgetful(), "again"),
        (BadTrust(), "trust"),
        (WrongFactors(), "factors"),
        (LosesState(), "round trip"),
    ],
)
def test_broken_selectors_are_told_apart(broken: PositiveSelector, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_selector(broken)


def test_stateless_selectors_refuse_foreign_state() -> None:
    with pytest.raises(ValueError, match="threshold"):
        Label().load_state_dict({"threshold": 1})

"""Wrong labels that have a rule are judged by it; where there is none, another is asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from supcon_ext.selectors import transition_rule
from supcon_ext.selectors.base import SampleBank, Selection, selector
from supcon_ext.selectors.confident_pairs import ConfidentPairs
from supcon_ext.selectors.transition_rule import TransitionRule
from tests.benchmarks.audit import cut

X, TRUE = load_digits(return_X_y=True)


def bank(noise: str, rate: float, largest: int = 150) -> tuple[SampleBank, Any]:
    """Digits' pixels, ten times as many of the largest class; and which labels are right."""
    rows, given, true = cut(X, TRUE, 10, noise, rate, largest, 0)
    x, label = torch.from_numpy(rows).float(), torch.from_numpy(given)
    z = functional.normalize(x, dim=1)
    return SampleBank(torch.arange(len(x)), label, 10, features=x, z=z), given == true


@pytest.mark.parametrize("noise", ["next class", "drawn class"])
def test_by_the_rule_fewer_wrong_labels_are_trusted(
    noise: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, right = bank(noise, 0.4)
    votes = ConfidentPairs(neighbours=100, balanced_votes=True)
    without, by_rule = votes.refresh(made, 0), TransitionRule(votes).refresh(made, 0)
    assert by_rule.stats["by_rule"] == 1 and by_rule.stats["gain"] > 0
    assert by_rule.stats["cells"] >= 5
    assert "Wrong labels have a rule: about " in caplog.text
    if noise == "next class":
        assert "% of class 0 carry class 1" in caplog.text
    precision = [right[(each.trust > 0.5).numpy()].mean() for each in (by_rule, without)]
    assert precision[0] > precision[1] + 0.02
    assert (by_rule.trust > 0.5).numpy()[right].mean() > 0.85


@pytest.mark.parametrize(
    ("otherwise", "rate"), [("two_witnesses", 0.0), ("confident_pairs", 0.4), ("label", 0.4)]
)
def test_without_a_rule_the_other_is_asked(
    otherwise: str, rate: float, caplog: pytest.LogCaptureFixture
) -> None:
    made, _ = bank("symmetric", rate, 80)
    told = TransitionRule(otherwise).refresh(made, 0)
    other = selector.make(otherwise).refresh(made, 0)
    assert told.stats["by_rule"] == told.stats["cells"] == 0
    assert "rule" not in caplog.text
    if other is None:
        other = Selection.of(made.label, torch.ones(len(made)))
    assert torch.equal(told.trust, other.trust) and torch.equal(told.label, other.label)
    assert other.stats.items() <= told.stats.items()


def test_the_best_rule_of_a_few_looks_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later features may hide it, and looking costs."""
    made, _ = bank("next class", 0.4, 60)
    found = TransitionRule()
    gains, looks = iter([50.0, 90.0, 0.0, 70.0]), []
    rule = torch.eye(10) * 0.6 + torch.eye(10).roll(1, 1) * 0.4

    def rule_in(*given: Any) -> tuple[Any, float]:
        looks.append(refresh)
        gain = next(gains)
        return (rule if gain else None), gain

    monkeypatch.setattr(transition_rule, "rule_in", rule_in)
    for refresh in range(1, 9):
        told = found.refresh(made, refresh)
        assert told.stats["by_rule"] == 1
        assert told.stats["gain"] == (50 if refresh == 1 else 90)
    assert looks == [1, 2, 4, 8]


def test_a_restored_one_goes_on_alike() -> None:
    made, _ = bank("next class", 0.4, 80)
    found, other = TransitionRule(), TransitionRule()
    for refresh in range(3):
        found.refresh(made, refresh)
    other.load_state_dict(found.state_dict())
    for refresh in range(3, 5):
        mine, theirs = found.refresh(made, refresh), other.refresh(made, refresh)
        assert torch.equal(mine.trust, theirs.trust) and mine.stats == theirs.stats


def test_one_class_alone_is_for_the_other() -> None:
    made, _ = bank("symmetric", 0.0)
    alone = SampleBank(
        made.index, torch.zeros_like(made.label), 10, features=made.features, z=made.z
    )
    told = TransitionRule("label").refresh(alone, 0)
    assert bool((told.trust == 1).all())

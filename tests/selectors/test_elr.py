"""Running predictions by hand, the guards, and resuming."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.elr import ElrHistory
from tests.selectors.scenes import bits, scene


def bank(p: torch.Tensor, label: torch.Tensor) -> SampleBank:
    return SampleBank(torch.arange(len(p)), label, p.shape[1], logits=p.log())


def test_by_hand() -> None:
    """.21 (.9, .1) + .3 (.2, .8) = (.249, .261) over .51: the second class, by a hair."""
    first, second = torch.tensor([[0.9, 0.1]] * 2), torch.tensor([[0.2, 0.8]] * 2)
    label = torch.tensor([0, 1])
    rule = ElrHistory()
    made = rule.select(bank(first, label), 0)
    assert made.trust.tolist() == [1, 0]
    torch.testing.assert_close(made.ranking, torch.tensor([0.8, -0.8]))
    made = rule.select(bank(second, label), 1)
    assert made.trust.tolist() == [0, 1]
    torch.testing.assert_close(made.ranking, torch.tensor([-0.012, 0.012]) / 0.51)
    assert made.posterior is not None
    torch.testing.assert_close(made.posterior[0], torch.tensor([0.249, 0.261]) / 0.51)


def test_a_label_learned_by_heart_late_is_not_believed() -> None:
    early, late = torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.tensor([[0.4, 0.6], [0.1, 0.9]])
    label = torch.tensor([1, 1])
    rule = ElrHistory()
    for epoch in range(3):
        rule.select(bank(early, label), epoch)
    assert rule.select(bank(late, label), 3).trust.tolist() == [0, 1]
    assert ElrHistory().select(bank(late, label), 0).trust.tolist() == [1, 1]


def test_beta_zero_is_the_present() -> None:
    rule, label = ElrHistory(beta=0.0), torch.tensor([0, 0])
    rule.select(bank(torch.tensor([[0.99, 0.01]] * 2), label), 0)
    now = torch.tensor([[0.45, 0.55], [0.55, 0.45]])
    assert rule.select(bank(now, label), 1).trust.tolist() == [0, 1]


def test_predictions_that_are_all_the_same_keep_all(caplog: pytest.LogCaptureFixture) -> None:
    made = ElrHistory().select(bank(torch.full((6, 3), 1 / 3), torch.arange(6) % 3), 0)
    assert made.trust.tolist() == [1] * 6 and "keeping every sample" in caplog.text


def test_certain_predictions_and_empty_classes_stay_finite() -> None:
    p = functional.one_hot(torch.tensor([0, 0, 2]), 4).float()  # logits of minus infinity
    made = ElrHistory().select(bank(p, torch.tensor([0, 2, 2])), 0)
    assert made.trust.tolist() == [1, 0, 1] and made.ranking.tolist() == [1, -1, 1]


@pytest.mark.parametrize("done", [0, 1, 3])
def test_it_resumes_to_the_same_selection(done: int) -> None:
    generator = torch.Generator().manual_seed(0)
    every = torch.rand(done + 2, 20, 3, generator=generator).softmax(2)
    label = torch.arange(20) % 3
    rule, resumed = ElrHistory(), ElrHistory()
    for p in every[:done]:
        rule.select(bank(p, label), 0)
    resumed.load_state_dict(copy.deepcopy(rule.state_dict()))
    for p in every[done:]:
        first, second = rule.select(bank(p, label), 0), resumed.select(bank(p, label), 0)
        assert torch.equal(first.trust, second.trust)
        assert torch.equal(first.ranking, second.ranking)


SCALES = (1.0, 2.0, 6.0, -1.0, 12.0)  # of the logits, one refresh after the other
# shengliu66/ELR 934af53, ELR/model/loss.py (clipped at 1e-4) and ELR_plus/model/loss.py (not),
# beta 0.7: running targets of the first two samples, and the sum of squares of all.
TARGETS = [
    ("balanced 0", 1e-4, [0.6097448, 0.114212, 0.0663421, 0.0416311], 21.0527844),
    ("balanced 0", 0.0, [0.6098781, 0.1141673, 0.0662974, 0.0415872], 21.0585692),
    ("long tail", 1e-4, [0.5973169, 0.1046492, 0.0480529, 0.0819111], 17.9001087),
    ("long tail", 0.0, [0.5974361, 0.1046045, 0.048023, 0.0818665], 17.9051588),
]
KEPT = {
    "balanced 0": "100011001110100011010011111111110111111111011001011010101101",
    "long tail": "00111110110111110110010111110010111000111111111111",
}


@pytest.mark.parametrize(("name", "clip", "target", "squares"), TARGETS)
def test_the_authors_running_targets(
    name: str, clip: float, target: list[float], squares: float
) -> None:
    """Theirs start from 0: after n refreshes they are 1 - beta ** n times the mean."""
    known, rule = scene(name), ElrHistory(beta=0.7, clip=clip)
    for scale in SCALES:
        made = rule.select(replace(known, logits=known.need("logits") * scale), 0)
    assert made.posterior is not None
    found = made.posterior * (1 - 0.7 ** len(SCALES))
    torch.testing.assert_close(found[0, : len(target)], torch.tensor(target), atol=1e-6, rtol=0)
    assert found.double().square().sum().item() == pytest.approx(squares, abs=1e-5)
    assert bits(made.trust) == KEPT[name]

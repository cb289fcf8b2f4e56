"""Agreement with a held-out linear head: scikit-learn's numbers, a rare class, its penalty."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from data_tools.randomness import generator
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.linear_agreement import FOLDS, L2_GRID, LinearAgreement
from supcon_ext.selectors.per_class import folds_by_class

SIZES, DIM = (120, 60, 20), 6


def scene(seed: int = 0, noise: float = 0.3, apart: float = 2.5) -> tuple[SampleBank, Tensor]:
    """Blobs of three classes, the last one rare, and which given labels are right."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(SIZES)), SIZES)
    centres = apart * np.eye(len(SIZES), DIM)
    x = centres[truth] + random.normal(size=(len(truth), DIM))
    wrong = random.random(len(truth)) < noise
    label = np.where(wrong, (truth + random.integers(1, 3, len(truth))) % 3, truth)
    features = torch.from_numpy(x).float() * torch.tensor([1.0, 5.0, 0.2, 1.0, 3.0, 1.0])
    given = torch.from_numpy(label)
    bank = SampleBank(torch.arange(len(given)), given, 3, features=features)
    return bank, torch.from_numpy(label == truth)


def by_sklearn(bank: SampleBank, l2: float, seed: int) -> Tensor:
    """``(N, C)`` balanced log probabilities out of sample."""
    x = bank.need("features").double().numpy()
    x = (x - x.mean(0)) / x.std(0)
    label = bank.label.numpy()
    lots = torch.from_numpy(generator("linear_agreement", seed).random(len(label)))
    fold = folds_by_class(lots, bank.label, FOLDS).numpy()
    made = np.zeros((len(label), bank.classes))
    for held in range(FOLDS):
        out = fold == held
        model = LogisticRegression(C=1 / (l2 * int((~out).sum())), tol=1e-10, max_iter=10000)
        made[out] = model.fit(x[~out], label[~out]).predict_log_proba(x[out])
    share = np.bincount(label) / len(label)
    return torch.from_numpy(made - np.log(share)).log_softmax(1)


@pytest.mark.parametrize("l2", [0.3, 0.01])
@pytest.mark.parametrize("sharpness", [1.0, 2.0])
def test_trust_is_scikit_learns_odds(l2: float, sharpness: float) -> None:
    bank, _ = scene()
    made = LinearAgreement(l2, sharpness, seed=3).select(bank, 0)
    log_p = by_sklearn(bank, l2, seed=3)
    own = log_p.gather(1, bank.label[:, None])[:, 0]
    others = log_p.masked_fill(torch.nn.functional.one_hot(bank.label, 3).bool(), -torch.inf)
    odds = (own - others.amax(1)).exp()
    expected = odds**sharpness / (1 + odds**sharpness)
    torch.testing.assert_close(made.trust, expected.float(), rtol=0, atol=2e-3)
    torch.testing.assert_close(made.posterior, log_p.exp().float(), rtol=0, atol=2e-3)
    assert made.stats["agreed"] == float((made.trust > 0.5).sum())


def test_all_or_nothing_is_soft_trust_above_a_half() -> None:
    bank, _ = scene()
    soft, hard = (LinearAgreement(0.1, soft=soft).select(bank, 0) for soft in (True, False))
    assert torch.equal(hard.trust, (soft.trust > 0.5).float())
    assert 0 < int(hard.trust.sum()) < len(bank)


@pytest.mark.parametrize("seed", range(4))
def test_the_right_labels_of_a_rare_class_are_kept(seed: int) -> None:
    """Most of those labelled with the rarest class are of others; its own are found still."""
    bank, right = scene(seed, noise=0.4, apart=4.0)
    made = LinearAgreement().select(bank, 0)
    trusted, rare = made.trust > 0.5, bank.label == 2
    assert right[rare].float().mean() < 0.3
    assert trusted[rare & right].float().mean() > 0.6
    assert right[rare & trusted].float().mean() > 0.55
    assert right[trusted].float().mean() > right.float().mean() + 0.2


def test_the_penalty_is_the_likeliest_one_and_is_kept() -> None:
    bank, _ = scene(noise=0.4)
    rule = LinearAgreement()
    first = rule.select(bank, 0)
    lots = torch.from_numpy(generator("linear_agreement", 0).random(len(bank)))
    out = folds_by_class(lots, bank.label, FOLDS) == 0
    x = bank.need("features").double().numpy()
    x, label = (x - x.mean(0)) / x.std(0), bank.label.numpy()
    kept = (~out).numpy()
    likelihood = {}
    for l2 in L2_GRID:
        model = LogisticRegression(C=1 / (l2 * int(kept.sum())), tol=1e-10, max_iter=10000)
        made = model.fit(x[kept], label[kept]).predict_log_proba(x[~kept])
        likelihood[l2] = made[np.arange(len(made)), label[~kept]].mean()
    assert first.stats["l2"] == max(likelihood, key=lambda l2: likelihood[l2])
    other, _ = scene(1, noise=0.0)
    again = LinearAgreement()
    again.load_state_dict(rule.state_dict())
    assert torch.equal(again.select(other, 1).trust, rule.select(other, 1).trust)
    assert again.select(other, 1).stats["l2"] == first.stats["l2"]


def test_of_one_class_every_label_is_trusted(caplog: pytest.LogCaptureFixture) -> None:
    bank = SampleBank(torch.arange(5), torch.zeros(5, dtype=torch.int64), 3, features=torch.eye(5))
    with caplog.at_level(logging.WARNING):
        assert LinearAgreement().select(bank, 0).trust.tolist() == [1.0] * 5
    assert "fewer than two classes" in caplog.text

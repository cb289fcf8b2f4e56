"""The estimated transition matrix: Bayes, scikit-learn's heads, known matrices, a rare class."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from supcon_ext.selectors import transition_heads
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.linear_agreement import LinearAgreement, held_out, standardised
from supcon_ext.selectors.linear_transition import LinearTransition
from supcon_ext.selectors.rule import rule_in
from supcon_ext.selectors.transition import estimate_transition, told
from supcon_ext.selectors.transition_heads import LinearHeads


def scene(
    sizes: tuple[int, ...], matrix: np.ndarray, seed: int = 0, apart: float = 4.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Features of blobs, given labels drawn by the matrix, and the true ones."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    x = apart * np.eye(len(sizes), len(sizes) + 3)[truth]
    x = x + random.normal(size=x.shape)
    label = np.array([random.choice(len(matrix), p=matrix[each]) for each in truth])
    scale = np.linspace(0.5, 3, x.shape[1])
    return torch.from_numpy(x * scale).float(), torch.from_numpy(label), torch.from_numpy(truth)


def alike(classes: int, rate: float) -> np.ndarray:
    """Wrong labels of all classes alike."""
    return (1 - rate) * np.eye(classes) + rate / classes


def flips(classes: int, *cells: tuple[int, int, float]) -> np.ndarray:
    """Some classes have another's label, and no others are wrong."""
    made = np.eye(classes)
    for class_, label, share in cells:
        made[class_, class_] -= share
        made[class_, label] += share
    return made


def test_a_label_is_told_by_bayes() -> None:
    p = torch.tensor([[0.6, 0.4], [0.6, 0.4]])
    matrix = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
    made = told(p, matrix, torch.tensor([0, 1]))
    torch.testing.assert_close(made, torch.tensor([[0.8, 0.2], [0.3, 0.7]]))


def test_without_a_matrix_the_heads_are_scikit_learns() -> None:
    x, label, _ = scene((80, 40, 20), alike(3, 0.3))
    fold = held_out(label, 0)
    problem = LinearHeads(standardised(x).float(), label, fold)
    scores, _ = problem.out_of_sample(0.1, label, None, None)
    for held in range(5):
        out = (fold == held).numpy()
        model = LogisticRegression(C=1 / (0.1 * int((~out).sum())), tol=1e-10, max_iter=10000)
        model.fit(standardised(x).numpy()[~out], label.numpy()[~out])
        expected = model.predict_proba(standardised(x).numpy()[out])
        torch.testing.assert_close(
            scores[out].softmax(1), torch.from_numpy(expected).float(), rtol=0, atol=2e-3
        )


MATRICES = {
    "right": alike(4, 0.0),
    "alike, 40 %": alike(4, 0.4),
    "alike, 60 %": alike(4, 0.6),
    "two of each other": flips(4, (0, 1, 0.4), (1, 0, 0.3)),
    "a ring": flips(4, (0, 1, 0.4), (1, 2, 0.4), (2, 3, 0.4), (3, 0, 0.4)),
    "one": flips(4, (2, 3, 0.3)),
}


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("sizes", [(200, 200, 200, 200), (600, 300, 150, 80)], ids=["even", "rare"])
def test_a_matrix_that_is_known_is_found(kind: str, sizes: tuple[int, ...]) -> None:
    """With samples of every class known to be right one would count; here there are none."""
    x, label, truth = scene(sizes, MATRICES[kind])
    made = estimate_transition(x, label, 4)
    counted = torch.zeros(4, 4).index_put_((truth, label), torch.ones(len(label)), accumulate=True)
    counted = counted / counted.sum(1, keepdim=True)
    assert float((made.matrix - counted).abs().max()) < 0.13
    right = label == truth
    trusted = made.posterior.gather(1, label[:, None])[:, 0] > 0.5
    assert float((trusted == right).float().mean()) > 0.93
    assert float((made.posterior.argmax(1) == truth).float().mean()) > 0.93


def test_images_filed_wholesale_under_a_rare_class_are_known() -> None:
    """Of four labels of the rare class three are another's; the balanced head believes many."""
    x, label, truth = scene((400, 200, 60), flips(3, (0, 2, 0.4)))
    bank = SampleBank(torch.arange(len(label)), label, 3, features=x)
    right, rare = label == truth, label == 2
    assert float(right[rare].float().mean()) < 0.3
    made = LinearTransition().select(bank, 0)
    trusted = made.trust > 0.5
    assert float((trusted == right)[rare].float().mean()) > 0.9
    assert float(trusted[rare & right].float().mean()) > 0.8
    balanced = LinearAgreement().select(bank, 0).trust > 0.5
    assert float((balanced == right)[rare].float().mean()) < 0.85


@pytest.mark.parametrize("seed", range(3))
def test_the_right_labels_of_a_rare_class_are_kept(seed: int) -> None:
    x, label, truth = scene((600, 300, 150, 60), alike(4, 0.4), seed)
    made = LinearTransition().select(SampleBank(torch.arange(len(x)), label, 4, features=x), 0)
    trusted, rare, right = made.trust > 0.5, label == 3, label == truth
    assert float(right[rare].float().mean()) < 0.35
    assert float(trusted[rare & right].float().mean()) > 0.9
    assert float(right[rare & trusted].float().mean()) > 0.8
    assert made.stats["wrong"] == pytest.approx(float((~right).float().mean()), abs=0.04)


def test_a_class_without_labels_keeps_its_own_and_has_no_image() -> None:
    x, label, _ = scene((60, 40), alike(2, 0.2))
    sparse = torch.where(label == 1, 3, label)
    whole, part = estimate_transition(x, sparse, 5), estimate_transition(x, label, 2)
    present = torch.tensor([0, 3])
    torch.testing.assert_close(whole.matrix[present[:, None], present], part.matrix)
    torch.testing.assert_close(whole.posterior[:, present], part.posterior)
    for class_ in (1, 2, 4):
        assert torch.equal(whole.matrix[class_], torch.eye(5)[class_])
        assert not whole.p[:, class_].any() and not whole.posterior[:, class_].any()


def test_the_matrix_makes_the_labels_likelier_than_none() -> None:
    x, label, _ = scene((200, 100, 50), alike(3, 0.4))
    made = estimate_transition(x, label, 3)
    through = (made.p @ made.matrix).gather(1, label[:, None]).log().mean()
    assert through > made.p.gather(1, label[:, None]).clamp(min=1e-12).log().mean() + 0.1
    assert through > (label.bincount()[label] / len(label)).log().mean() + 0.1


@pytest.mark.parametrize("heads", [1, 2])
def test_heads_fitted_in_turn_say_the_same(heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, label, _ = scene((120, 60, 30), flips(3, (0, 1, 0.3)))
    together = estimate_transition(x, label, 3)
    monkeypatch.setattr(transition_heads, "AT_ONCE", heads * 210 * 3)
    apart = estimate_transition(x, label, 3)
    assert apart.l2 == together.l2
    torch.testing.assert_close(apart.matrix, together.matrix, rtol=0, atol=5e-3)
    torch.testing.assert_close(apart.posterior, together.posterior, rtol=0, atol=2e-2)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", MATRICES)
def test_a_rule_is_seen_where_there_is_one(kind: str, seed: int) -> None:
    x, label, _ = scene((600, 300, 150, 80), MATRICES[kind], seed)
    rule, gain = rule_in(estimate_transition(x, label, 4), label)
    cells = (MATRICES[kind] >= 0.1) & ~np.eye(4, dtype=bool)
    if kind in ("right", "alike, 40 %", "alike, 60 %"):
        assert rule is None
        return
    assert rule is not None and gain > 20
    torch.testing.assert_close(rule.sum(1), torch.ones(4))
    assert ((rule.numpy() >= 0.1) & ~np.eye(4, dtype=bool) == cells).all()
    assert float((rule - torch.from_numpy(MATRICES[kind])).abs().max()) < 0.15


def test_those_without_a_say_are_told_by_all_heads_and_change_nothing() -> None:
    x, label, truth = scene((300, 200, 100), flips(3, (0, 1, 0.3)))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, label, truth = x[order], label[order], truth[order]
    alone = estimate_transition(x[:500], label[:500], 3)
    for shift in (0, 1):
        given_labels = label.clone()
        given_labels[500:] = (label[500:] + shift) % 3
        whole = estimate_transition(x, given_labels, 3, 500)
        torch.testing.assert_close(whole.matrix, alone.matrix)
        torch.testing.assert_close(whole.posterior[:500], alone.posterior)
        torch.testing.assert_close(whole.posterior.sum(1), torch.ones(600))
        assert float((whole.p[500:].argmax(1) == truth[500:]).float().mean()) > 0.9
    strange = label.clone()
    strange[-1] = 3  # a class that nobody with a say has
    whole = estimate_transition(x, strange, 4, 500)
    assert float(whole.posterior[-1, 3]) == 0
    torch.testing.assert_close(whole.posterior[-1], whole.p[-1])


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_whatever_the_labels_its_rows_are_shares_led_by_their_own(data: st.DataObject) -> None:
    classes = data.draw(st.integers(2, 4))
    label = torch.tensor(data.draw(st.lists(st.integers(0, classes - 1), min_size=3, max_size=20)))
    width = data.draw(st.integers(1, 8))
    seed = data.draw(st.integers(0, 99))
    x = torch.randn(len(label), width, generator=torch.Generator().manual_seed(seed))
    made = LinearTransition().select(
        SampleBank(torch.arange(len(x)), label, classes, features=x), 0
    )
    assert bool(((made.trust >= 0) & (made.trust <= 1)).all())
    if int((label.bincount() > 0).sum()) > 1:
        found = estimate_transition(x, label, classes)
        assert torch.equal(found.posterior.gather(1, label[:, None])[:, 0], made.trust)
        torch.testing.assert_close(found.matrix.sum(1), torch.ones(classes))
        torch.testing.assert_close(found.posterior.sum(1), torch.ones(len(label)))
        rule, _ = rule_in(found, label)
        if rule is not None:
            torch.testing.assert_close(rule.sum(1), torch.ones(classes))
        assert bool((found.matrix <= found.matrix.diag()[:, None] + 1e-6).all())


def test_all_or_nothing_is_soft_trust_above_a_half() -> None:
    x, label, _ = scene((100, 50), alike(2, 0.4))
    bank = SampleBank(torch.arange(len(x)), label, 2, features=x)
    soft, hard = (LinearTransition(soft=soft).select(bank, 0) for soft in (True, False))
    assert torch.equal(hard.trust, (soft.trust > 0.5).float())
    assert 0 < int(hard.trust.sum()) < len(bank)


def test_the_penalty_is_kept() -> None:
    x, label, _ = scene((100, 50), alike(2, 0.4))
    first = LinearTransition()
    penalty = first.select(SampleBank(torch.arange(len(x)), label, 2, features=x), 0).stats["l2"]
    again = LinearTransition()
    again.load_state_dict(first.state_dict())
    x, label, _ = scene((50, 80), alike(2, 0.0), 1, 1.0)
    other = SampleBank(torch.arange(len(x)), label, 2, features=x)
    assert again.select(other, 1).stats["l2"] == first.select(other, 1).stats["l2"] == penalty
    assert torch.equal(again.select(other, 1).trust, first.select(other, 1).trust)


def test_of_one_class_every_label_is_trusted(caplog: pytest.LogCaptureFixture) -> None:
    bank = SampleBank(torch.arange(5), torch.zeros(5, dtype=torch.int64), 3, features=torch.eye(5))
    with caplog.at_level(logging.WARNING):
        assert LinearTransition().select(bank, 0).trust.tolist() == [1.0] * 5
    assert "fewer than two classes" in caplog.text

"""Neighbours and a linear head on the same labels: rare classes spared, wrong labels found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from torch.nn import functional

from supcon_ext.audit.suspicion import Verdict, suspect
from supcon_ext.audit.two_witnesses import judge
from supcon_ext.selectors.neighbours import NeighbourGraph, nearest_neighbours, neighbours_among
from supcon_ext.selectors.two_witnesses import TEMPERATURES, temperature_of

X, TRUE = load_digits(return_X_y=True)


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]


def long_tailed(seed: int, factor: int, rate: float) -> tuple[torch.Tensor, torch.Tensor, ...]:
    """Digits of 150 down to 150 / factor a class, some relabelled by the classes' shares."""
    drawn = np.random.default_rng(seed)
    size = np.round(150 * factor ** (-np.arange(10) / 9)).astype(int)
    kept = np.concatenate(
        [drawn.permutation(np.flatnonzero(TRUE == each))[: size[each]] for each in range(10)]
    )
    true = TRUE[kept]
    wrong = drawn.random(len(true)) < rate
    label = np.where(wrong, drawn.choice(10, len(true), p=size / size.sum()), true)
    return torch.from_numpy(X[kept]).float(), torch.from_numpy(label), torch.from_numpy(true)


def judged(x: torch.Tensor, label: torch.Tensor) -> tuple[Verdict, Verdict]:
    graph = nearest_neighbours(x, min(250, len(x) - 1))
    return judge(graph, x, label, 10), suspect(graph, label, 10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("factor", "rate"), [(10, 0.2), (10, 0.4), (20, 0.2), (20, 0.4)])
def test_rare_classes_are_spared(seed: int, factor: int, rate: float) -> None:
    """No worse than cleanlab or the votes alone, and few right labels of rare classes flagged."""
    from cleanlab.rank import get_label_quality_scores

    x, label, true = long_tailed(seed, factor, rate)
    both, votes = judged(x, label)
    wrong = label != true
    model = LogisticRegression(max_iter=200)
    probability = cross_val_predict(model, x / 16, label, cv=3, method="predict_proba")
    theirs = average_precision_score(
        wrong, 1 - get_label_quality_scores(label.numpy(), probability)
    )
    found = average_precision_score(wrong, both.suspicion)
    assert found > 0.97 and found > theirs - 0.005
    assert found > average_precision_score(wrong, votes.suspicion)
    few = (true >= 7) & ~wrong
    assert both.flagged[few].float().mean() < 0.25 < votes.flagged[few].float().mean()
    sure = both.flagged & (both.confidence >= 0.8)
    assert (both.suggested[sure] == true[sure]).float().mean() > 0.85


def test_the_temperature_is_found_again() -> None:
    """Labels drawn of softmax(logits), a fifth of them at random, and logits told too large."""
    drawn = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 5, generator=drawn, dtype=torch.float64)
    label = torch.multinomial(logits.softmax(1), 1, generator=drawn)[:, 0]
    anyhow = torch.rand(4000, generator=drawn) < 0.2
    label[anyhow] = torch.randint(5, (int(anyhow.sum()),), generator=drawn)
    for temperature in TEMPERATURES:
        assert temperature_of(logits * temperature, label) == temperature


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 30), st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**31))
def test_whatever_the_labels_the_numbers_are_in_range(
    count: int, classes: int, neighbours: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=generator)
    label = torch.randint(classes, (count,), generator=generator)
    verdict = judge(nearest_neighbours(x, min(neighbours, count - 1)), x, label, classes)
    for share in (verdict.suspicion, verdict.confidence):
        assert bool(((share > 0) & (share < 1)).all())
    assert torch.equal(verdict.flagged, verdict.suggested != label)
    same = ~verdict.flagged
    torch.testing.assert_close(verdict.suspicion[same], 1 - verdict.confidence[same])


@pytest.mark.parametrize("seed", range(3))
def test_the_only_sample_of_a_class_is_not_flagged_for_that(seed: int) -> None:
    """Four clusters, and one point away from them all with a label of its own."""
    drawn = torch.Generator().manual_seed(seed)
    label = torch.arange(4).repeat_interleave(12)
    x = 5 * functional.one_hot(label, 5).float() + torch.randn(48, 5, generator=drawn)
    x = torch.cat([x, torch.tensor([[0.0, 0, 0, 0, 8]])])
    label = torch.cat([label, torch.tensor([4])])
    assert not judge(nearest_neighbours(x, 12), x, label, 5).flagged[-1]


def test_those_without_a_say_change_no_others() -> None:
    x, label, _ = long_tailed(0, 10, 0.2)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, label, count = x[order], label[order], 400
    first, second = nearest_neighbours(x[:count], 60), neighbours_among(x[count:], x[:count], 60)
    graph = NeighbourGraph(
        torch.cat([first.index, second.index]), torch.cat([first.similarity, second.similarity])
    )
    alone = judge(first, x[:count], label[:count], 10)
    other = label.clone()
    other[count:] = (label[count:] + 1) % 10
    for given_labels in (label, other):
        whole = judge(graph, x, given_labels, 10, voters=count)
        assert len(whole.suspicion) == len(x)
        torch.testing.assert_close(whole.suspicion[:count], alone.suspicion, rtol=0, atol=1e-12)
        assert torch.equal(whole.flagged[:count], alone.flagged)
        assert torch.equal(whole.suggested[:count], alone.suggested)
    assert judge(graph, x, other, 10, voters=count).flagged[count:].float().mean() > 0.8

"""Weighted adaptive nearest neighbours against a plain loop."""

from collections import defaultdict

import numpy as np
import pytest
import torch

from supcon_ext.evaluation import wann
from supcon_ext.evaluation.base import EvaluationInput
from supcon_ext.evaluation.wann import WANN, nearest
from tests.evaluation.toy import Groups, blobs, embedded


def noisy(count, seed, classes=4):
    x, label = blobs(count, classes=classes, features=6, spread=1.2, seed=seed)
    random = np.random.default_rng(seed)
    wrong = random.random(count) < 0.3
    return x.astype(np.float32), np.where(wrong, random.integers(0, classes, count), label)


def data_of(train, test):
    names = ("a", "b", "c", "d")
    return EvaluationInput(embedded(*train), None, embedded(*test), names, Groups(many=(0, 1)))


def by_loop(x, label, query, kmin, kmax, classes=4):
    """Shares of the vote, as the paper's algorithm reads."""
    mean, std = x.mean(0), x.std(0)
    x, query = (x - mean) / std, (query - mean) / std
    number = []
    for i in range(len(x)):
        order = [j for j in np.argsort(((x - x[i]) ** 2).sum(1), kind="stable") if j != i]
        own = kmax
        for k in range(kmin, kmax, 2):
            votes = label[order[:k]].tolist()
            if max(range(classes), key=votes.count) == label[i]:
                own = k
                break
        number.append(own)
    shares = []
    for q in query:
        order = np.argsort(((x - q) ** 2).sum(1), kind="stable")
        votes = defaultdict(float)
        for j in order[: number[order[0]]]:
            votes[label[j]] += 1 / number[j]
        total = sum(votes.values())
        shares.append([votes[c] / total for c in range(classes)])
    return np.array(shares)


@pytest.mark.parametrize(("kmin", "kmax"), [(11, 51), (3, 8), (1, 21), (5, 70)])
def test_it_is_the_loop(kmin, kmax, monkeypatch):
    monkeypatch.setattr(wann, "CHUNK_ELEMENTS", 60 * 7)
    (x, label), (query, truth) = noisy(60, 0), blobs(40, classes=4, features=6, seed=9)
    query = query.astype(np.float32)
    found = WANN(kmin, kmax).evaluate(data_of((x, label), (query, truth)), "test")
    expected = by_loop(x, label, query, kmin, kmax)
    assert np.abs(found.predictions["test"].probabilities.numpy() - expected).max() < 1e-6
    assert "ece" not in found.metrics


def test_the_authors_predictions():
    """francescodisalvo05/wann-noisy-labels 314f2ae, WANN(11, 51) on 200 samples, 100 queries.

    One differs, whose votes are equal: theirs go to the class of the nearest.
    """
    hit = []
    for seed in range(4):
        query, truth = blobs(100, classes=4, features=6, spread=1.2, seed=50 + seed)
        data = data_of(noisy(200, seed), (query.astype(np.float32), truth))
        hit.append(WANN().evaluate(data, "test").metrics["accuracy"])
    assert hit == pytest.approx([0.86, 0.7, 0.81, 0.8])  # theirs: .86, .69, .81, .80


def test_a_sample_is_no_neighbour_of_itself_nor_a_feature_that_never_changes_a_reason():
    x = torch.tensor([[0.0, 7.0], [0.0, 7.0], [1.0, 7.0]])
    assert nearest(x, x, 5, own=True).shape == (3, 2)
    assert all(i not in row for i, row in enumerate(nearest(x, x, 2, own=True).tolist()))
    data = data_of((x.repeat(4, 1), [0, 0, 1] * 4), (x, [0, 0, 1]))
    assert WANN(1, 3).evaluate(data, "test").metrics["accuracy"] == 1


def test_bad_neighbourhoods_and_too_few_samples():
    with pytest.raises(ValueError, match="below `kmax`, but got 11 and 11"):
        WANN(11, 11)
    with pytest.raises(ValueError, match="at least 2 training samples, but got 1"):
        WANN().evaluate(data_of(([[0.0]], [0]), ([[0.0]], [0])), "test")

"""Confident learning by hand, and the same as cleanlab."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import pytest
import torch

from supcon_ext.selectors import confident_joint as joint
from supcon_ext.selectors.base import SampleBank, selector
from supcon_ext.selectors.confident_learning import ConfidentLearning, cross_validated
from tests.selectors.scenes import bits, scene

LABEL = np.array([0, 0, 1, 1])
PROBABILITY = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])


def test_four_samples_by_hand() -> None:
    assert joint.thresholds(LABEL, PROBABILITY).tolist() == pytest.approx([0.55, 0.55])
    assert joint.count_matrix(LABEL, PROBABILITY).tolist() == [[1, 1], [1, 1]]
    assert joint.confident_joint(LABEL, PROBABILITY).tolist() == [[1, 1], [1, 1]]
    for issues in (joint.off_diagonal_issues, joint.prune_by_noise_rate):
        assert issues(LABEL, PROBABILITY).nonzero()[0].tolist() == [1, 3]
    margin = joint.normalized_margin(LABEL, PROBABILITY)
    assert margin.tolist() == pytest.approx([0.9, 0.2, 0.7, 0.4])


def test_the_joint_is_calibrated_to_the_given_labels() -> None:
    label = np.array([0] * 6 + [1] * 4)
    p = np.array([0.9, 0.9, 0.9, 0.1, 0.4, 0.4, 0.1, 0.1, 0.9, 0.45])
    probability = np.stack([p, 1 - p], 1)
    found = joint.confident_joint(label, probability)
    assert found.sum(1).tolist() == [6, 4]
    # counts [[3, 1], [1, 2]] of ten, rows to 6 and 4: [4.5, 1.5] and [4/3, 8/3]
    assert joint.count_matrix(label, probability).tolist() == [[3, 1], [1, 2]]
    assert found[1].tolist() == [1, 3]
    assert found[0].tolist() == [4, 2]


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy labels and probabilities, of balanced and of long-tailed classes."""
    generator = np.random.default_rng(seed)
    classes = int(generator.integers(2, 7))
    count = int(generator.integers(2 * classes, 300))
    share = generator.dirichlet(np.ones(classes)) if seed % 2 else None
    rest = generator.choice(classes, count - classes, p=share)
    label = np.concatenate([np.arange(classes), rest])
    other = generator.integers(0, classes, count)
    truth = np.where(generator.random(count) < 0.3, other, label)
    logits = generator.normal(size=(count, classes)) * generator.uniform(0.3, 3)
    logits += generator.uniform(0, 4) * np.eye(classes)[truth]
    probability = np.exp(logits)
    return label, probability / probability.sum(1, keepdims=True)


def rounding_is_a_matter_of_taste(label: np.ndarray, probability: np.ndarray) -> bool:
    """Whether entries of a row of the calibrated joint have the same fraction."""
    counts = joint.count_matrix(label, probability).astype(float)
    rows = counts / counts.sum(1, keepdims=True) * np.bincount(label)[:, None]
    for row in rows:
        part = np.round(row % 1, 6) % 1
        part = part[part > 0]
        if len(np.unique(part)) < len(part):
            return True
    return False


@pytest.mark.filterwarnings("ignore:May not flag all label issues")
def test_the_same_as_cleanlab() -> None:
    pytest.importorskip("cleanlab")
    from cleanlab.count import compute_confident_joint
    from cleanlab.filter import find_label_issues

    compared = 0
    for seed in range(80):
        label, probability = drawn(seed)
        expected = find_label_issues(label, probability, filter_by="confident_learning", n_jobs=1)
        assert np.array_equal(expected, joint.off_diagonal_issues(label, probability)), seed
        raw = compute_confident_joint(label, probability, calibrate=False)
        assert np.array_equal(raw, joint.count_matrix(label, probability)), seed
        if rounding_is_a_matter_of_taste(label, probability):
            continue
        compared += 1
        whole = compute_confident_joint(label, probability)
        assert np.array_equal(whole, joint.confident_joint(label, probability)), seed
        expected = find_label_issues(label, probability, n_jobs=1)
        assert np.array_equal(expected, joint.prune_by_noise_rate(label, probability)), seed
    assert compared > 30


def bank(z: torch.Tensor, label: torch.Tensor, classes: int) -> SampleBank:
    return SampleBank(torch.arange(len(z)), label, classes, features=z)


def clusters() -> SampleBank:
    center = torch.eye(3).repeat_interleave(20, 0)
    z = center + 0.05 * torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    label = torch.arange(3).repeat_interleave(20)
    label[[0, 25, 50]] = torch.tensor([1, 2, 0])
    return bank(z, label, 3)


@pytest.mark.parametrize("probabilities", ["neighbours", "cross_validation"])
@pytest.mark.parametrize("rule", ["confident_joint", "prune_by_noise_rate"])
def test_wrong_labels_in_clusters_are_found(
    probabilities: Literal["neighbours", "cross_validation"],
    rule: Literal["confident_joint", "prune_by_noise_rate"],
) -> None:
    found = ConfidentLearning(probabilities, rule, neighbours=10).refresh(clusters(), 0)
    assert (found.trust < 0.5).nonzero()[:, 0].tolist() == [0, 25, 50]
    assert found.posterior is not None
    assert found.posterior[[0, 25, 50]].argmax(1).tolist() == [0, 1, 2]
    assert sorted(found.ranking.argsort()[:3].tolist()) == [0, 25, 50]
    torch.testing.assert_close(found.posterior.sum(1), torch.ones(60))


def test_the_own_label_does_not_vote() -> None:
    data = clusters()
    changed = data.label.clone()
    changed[7] = 2
    before = ConfidentLearning(neighbours=10).refresh(data, 0).posterior
    after = ConfidentLearning(neighbours=10).refresh(bank(data.need("features"), changed, 3), 0)
    assert before is not None and after.posterior is not None
    assert torch.equal(before[7], after.posterior[7])


def test_folds_are_by_seed_and_hold_every_class() -> None:
    data = clusters()
    first = cross_validated(data.need("features"), data.label, 3, 0)
    assert torch.equal(first, cross_validated(data.need("features"), data.label, 3, 0))
    assert not torch.equal(first, cross_validated(data.need("features"), data.label, 3, 1))
    assert bool((first > 0).all())


def test_in_sample_probabilities_must_be_meant() -> None:
    with pytest.raises(ValueError, match="out-of-sample"):
        ConfidentLearning("classifier")
    spec = selector.spec({"kind": "confident_learning", "probabilities": "classifier"})
    with pytest.raises(ValueError, match="in_sample"):
        spec.build()
    meant = ConfidentLearning("classifier", in_sample=True)
    assert meant.requires == {"logits"}
    logits = torch.from_numpy(PROBABILITY).log()
    data = SampleBank(torch.arange(4), torch.from_numpy(LABEL), 2, logits=logits)
    assert meant.refresh(data, 0).trust.tolist() == [1, 0, 1, 0]
    assert ConfidentLearning().requires == {"features"}


@pytest.mark.parametrize("probabilities", ["neighbours", "cross_validation"])
@pytest.mark.parametrize("rule", ["confident_joint", "prune_by_noise_rate"])
@pytest.mark.parametrize(
    "label", [[0] * 6, [0, 0, 0, 0, 0, 3], [0, 1, 2, 3, 3, 3]], ids=["one", "two", "few"]
)
def test_small_classes_and_many_neighbours(
    probabilities: Literal["neighbours", "cross_validation"],
    rule: Literal["confident_joint", "prune_by_noise_rate"],
    label: list[int],
) -> None:
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    found = ConfidentLearning(probabilities, rule).refresh(bank(z, torch.tensor(label), 5), 0)
    assert bool(found.ranking.isfinite().all())
    assert found.posterior is not None and bool(found.posterior.isfinite().all())


def test_equal_probabilities_keep_all(caplog: pytest.LogCaptureFixture) -> None:
    data = SampleBank(torch.arange(4), torch.tensor([0, 1, 0, 1]), 2, logits=torch.ones(4, 2))
    with caplog.at_level(logging.WARNING):
        found = ConfidentLearning("classifier", in_sample=True).refresh(data, 0)
    assert found.trust.tolist() == [1] * 4
    assert "same probabilities" in caplog.text


# cleanlab 2.9.0, `find_label_issues` of the softmax: whom the filters `confident_learning` and
# `prune_by_noise_rate` keep. It does not take probabilities of a class without samples.
CLEANLAB_KEEPS = {
    "balanced 0": (
        "101011011111100011010111111111110111111111011111011010101111",
        "101011011110100011010011111111110111111111011101011010101111",
    ),
    "balanced 1": (
        "110111111111111111011111111011111111111111101111111111111111",
        "110111111011111111001111111011111111111011101111111111111111",
    ),
    "balanced 2": (
        "001011001111111111111111111111011111111111111110101111111111",
        "001011000111111111111111111111011111111111111110001111111111",
    ),
    "long tail": (
        "01111111110111111110010111110111111010111111111111",
        "01111110110111111110010111110111111000111111111111",
    ),
    "class of one": (
        "1111111111111111111111101111111111111111111",
        "1111111111111111111111101111111111111111111",
    ),
}


@pytest.mark.parametrize("name", CLEANLAB_KEEPS)
def test_the_packages_selection(name: str) -> None:
    for rule, kept in zip(
        ("confident_joint", "prune_by_noise_rate"), CLEANLAB_KEEPS[name], strict=True
    ):
        made = selector.spec(
            {
                "kind": "confident_learning",
                "probabilities": "classifier",
                "in_sample": True,
                "filter": rule,
            }
        ).build()
        assert bits(made.select(scene(name), 0).trust) == kept

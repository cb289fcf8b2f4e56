"""Precision and recall of positive pairs: by hand, soft targets, open sets, and the sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from supcon_ext.evaluation.pair_quality import (
    pair_counts,
    pair_quality,
    sample_rows,
    sampled_targets,
)
from supcon_ext.losses.rows import PairTile
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection
from supcon_ext.selectors.confident_pairs import ConfidentPairs
from supcon_ext.selectors.label import Label
from supcon_ext.selectors.oracle import Oracle

THREE = np.zeros(3, dtype=np.int64)


def bank(label: list[int], **columns: torch.Tensor) -> SampleBank:
    labels = torch.tensor(label)
    return SampleBank(torch.arange(len(labels)), labels, int(labels.max()) + 1, **columns)


def believed(label: list[int], trust: list[float] | None = None) -> Selection:
    labels = torch.tensor(label)
    trusted = torch.ones(len(labels)) if trust is None else torch.tensor(trust)
    return Selection.of(labels, trusted)


class Alike(PositiveSelector):
    """Looks at similarities, and has no factors."""

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.similarity_AK > 0.5


def test_two_wrong_labels_make_a_right_pair_but_not_a_strict_one() -> None:
    """One given label, true labels 0, 1, 1: of three pairs only the last is of one class."""
    truth = np.array([0, 1, 1])
    targets = sampled_targets(Label(), bank([0, 0, 0]), believed([0, 0, 0]), np.arange(3))
    assert targets is not None
    assert pair_quality(targets, THREE, THREE, truth) == pytest.approx(
        {
            "pair_precision": 1 / 3,
            "pair_precision_strict": 0.0,
            "pair_recall_given": 1.0,
            "pair_recall": 1.0,
        }
    )


def test_open_set_pairs_are_wrong() -> None:
    """Also where both are open-set samples with one given label."""
    found = pair_quality(np.ones((3, 3)), THREE, THREE, np.array([-1, -1, 0]))
    assert found == {"pair_precision": 0.0, "pair_precision_strict": 0.0}


def test_the_oracles_pairs_are_right() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(3, (60,), generator=generator)
    truth = torch.where(torch.rand(60, generator=generator) < 0.4, (label + 1) % 3, label)
    seen = SampleBank(torch.arange(60), label, 3, truth=truth)
    oracle = Oracle()
    targets = sampled_targets(oracle, seen, oracle.refresh(seen, 0), np.arange(60))
    assert targets is not None
    given, true = label.numpy(), truth.numpy()
    found = pair_quality(targets, given, given, true)
    assert found["pair_precision"] == found["pair_precision_strict"] == 1.0
    right = int((true == given).sum())
    sizes = np.bincount(given[true == given])
    pairs = int((sizes * (sizes - 1)).sum())
    every = int(((true[:, None] == true[None]).sum()) - 60)
    assert found["pair_recall"] == pytest.approx(pairs / every)
    assert found["pair_recall_given"] < 1 and right < 60


def test_recalls_by_hand() -> None:
    """True class 0 has samples 0 to 2, of which the last has another given label."""
    truth, given = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    targets = np.zeros((4, 4))
    targets[0, 1] = targets[2, 3] = 1
    found = pair_quality(targets, given, given, truth)
    assert found == {
        "pair_precision": 0.5,
        "pair_precision_strict": 0.5,
        "pair_recall_given": 0.5,
        "pair_recall": 1 / 6,
    }


def test_soft_targets_count_by_their_amount_and_the_diagonal_not_at_all() -> None:
    targets = np.array([[1, 0.75, 0.25], [0, 1, 0], [0, 0, 1]])
    truth = np.array([0, 0, 1])
    found = pair_quality(targets, truth, truth, truth)
    assert found["pair_precision"] == 0.75 and found["pair_recall"] == 0.375
    assert pair_counts(targets, 3) == pytest.approx({"pair_positives": 1 / 3, "pair_lonely": 2 / 3})
    assert targets[0, 0] == 1


def test_positives_are_told_for_the_whole_set() -> None:
    """Two of three others in the sample: six of nine in the whole of ten."""
    targets = np.ones((4, 4)) - np.eye(4)[::-1]
    assert pair_counts(targets, 10) == {"pair_positives": 6.0, "pair_lonely": 0.0}
    assert pair_counts(np.ones((1, 1)), 10) == {}


def test_no_positives_have_no_precision() -> None:
    labels = np.array([0, 0, 1])
    assert pair_quality(np.eye(3), labels, labels, labels) == {
        "pair_recall_given": 0.0,
        "pair_recall": 0.0,
    }
    labels = np.array([0, 1, 2])
    assert pair_quality(np.eye(3), labels, labels, labels) == {}


def test_trust_and_similarity_decide() -> None:
    z = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [1, 0.2], [0, 1]]), dim=1)
    seen = bank([0, 0, 0, 0], z=z)
    pairs = ConfidentPairs()
    pairs.z, pairs.threshold = z, torch.tensor([0.9])
    selection = believed([0, 0, 0, 0], [1.0, 1.0, 0.0, 0.0])
    targets = sampled_targets(pairs, seen, selection, np.array([0, 2, 3]))
    assert targets is not None
    assert targets.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_similarities_that_are_not_known_are_not_guessed() -> None:
    rows = np.arange(3)
    assert sampled_targets(Alike(), bank([0, 0, 0]), believed([0, 0, 0]), rows) is None
    seen = bank([0, 0, 0], z=torch.eye(3))
    known = sampled_targets(Alike(), seen, believed([0, 0, 0]), rows)
    assert known is not None and known.tolist() == np.eye(3).tolist()


def test_the_sample_is_seeded_and_bounded() -> None:
    usable = np.arange(5000) % 2 == 0
    rows = sample_rows(usable, 3)
    assert len(rows) == 1024 == len(set(rows.tolist())) and usable[rows].all()
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, sample_rows(usable, 3))
    assert not np.array_equal(rows, sample_rows(usable, 4))
    assert sample_rows(usable[:10], 0).tolist() == [0, 2, 4, 6, 8]

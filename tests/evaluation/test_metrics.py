import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from supcon_ext.evaluation.base import Prediction
from supcon_ext.evaluation.metrics import (
    accuracy_scores,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    negative_log_likelihood,
    per_class_accuracy,
    reliability,
    scores,
)
from supcon_ext.evaluation.per_class import per_class_table
from tests.evaluation.toy import Groups


def confident(confidence, correct):
    """Two-class predictions of class 1 with these confidences, right or wrong."""
    confidence = torch.tensor(confidence, dtype=torch.float32)
    return Prediction(torch.stack([1 - confidence, confidence], 1), torch.tensor(correct))


def random_prediction(count=200, classes=6, seed=0, labels=None):
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, labels or classes, (count,), generator=generator)
    logits = torch.randn(count, classes, generator=generator)
    logits[torch.arange(count), label] += 1.0
    return Prediction(logits.softmax(1), label)


@pytest.mark.parametrize("bins", [10, 15])
def test_ece_of_the_worked_example(bins):
    prediction = confident([0.95, 0.95, 0.65, 0.65, 0.55], [1, 0, 1, 1, 0])
    assert expected_calibration_error(prediction, bins) == pytest.approx(0.43, abs=1e-6)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_ece_agrees_with_torchmetrics_away_from_bin_edges(bins):
    prediction = random_prediction()
    expected = multiclass_calibration_error(
        prediction.probabilities, prediction.label, num_classes=6, n_bins=bins
    )
    assert expected_calibration_error(prediction, bins) == pytest.approx(float(expected), abs=1e-6)


def test_a_bin_holds_its_upper_edge_and_not_its_lower():
    found = reliability(confident([0.6, 0.7, 0.7001, 1.0], [1, 0, 1, 1]), bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0, 1]
    assert found.edges.tolist() == [m / 10 for m in range(11)]


def test_full_confidence_shares_the_last_bin():
    # Gaps: confidence (1 + .96) / 2 = .98 against accuracy 1/2. A bin of its own for 1.0 would give
    # (|1 - 0| + |.96 - 1|) / 2 = .52.
    assert expected_calibration_error(confident([1.0, 0.96], [0, 1]), 10) == pytest.approx(0.48)


def test_bins_are_averaged_by_hand():
    prediction = random_prediction(count=57, seed=3)
    confidence, predicted = prediction.probabilities.max(1)
    total = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            accuracy = (predicted == prediction.label)[inside].double().mean()
            total += float(inside.sum()) / 57 * abs(accuracy - confidence[inside].double().mean())
    assert expected_calibration_error(prediction) == pytest.approx(float(total), abs=1e-9)


def test_balanced_accuracy_and_confusion_equal_sklearn():
    prediction = random_prediction()
    label, predicted = prediction.label.numpy(), prediction.predicted.numpy()
    found = scores(prediction, "abcdef", Groups())
    assert found["balanced_accuracy"] == pytest.approx(
        oracle.balanced_accuracy_score(label, predicted)
    )
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(label, predicted))
    assert (confusion_matrix(prediction).numpy() == oracle.confusion_matrix(label, predicted)).all()
    assert torch.allclose(
        per_class_accuracy(prediction),
        multiclass_accuracy(
            prediction.predicted, prediction.label, num_classes=6, average="none"
        ).double(),
    )


def test_likelihood_and_brier_equal_their_definitions():
    prediction = random_prediction()
    p, label = prediction.probabilities.double().numpy(), prediction.label.numpy()
    p /= p.sum(1, keepdims=True)
    assert negative_log_likelihood(prediction) == pytest.approx(oracle.log_loss(label, p), abs=1e-6)
    by_hand = ((p - np.eye(6)[label]) ** 2).sum(1).mean()
    assert brier_score(prediction) == pytest.approx(by_hand, abs=1e-6)


def test_likelihood_of_an_impossible_label_is_finite():
    prediction = Prediction(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert negative_log_likelihood(prediction) == pytest.approx(-math.log(2**-23))
    assert brier_score(prediction) == 2.0


def test_accuracies_by_hand_on_an_uneven_split():
    # Class 0: 3 of 4 right, class 1: 1 of 2, class 2: absent but predicted once, class 3: 1 of 1.
    predicted = torch.tensor([0, 0, 0, 2, 1, 0, 3])
    prediction = Prediction(torch.eye(4)[predicted], torch.tensor([0, 0, 0, 0, 1, 1, 3]))
    found = accuracy_scores(prediction, Groups(many=(0,), medium=(2,), few=(1, 2, 3)))
    assert found == {
        "accuracy": pytest.approx(5 / 7),
        "balanced_accuracy": pytest.approx((0.75 + 0.5 + 1) / 3),
        "worst_class": 0.5,
        "harmonic_mean": pytest.approx(3 / (1 / 0.75 + 2 + 1)),
        "accuracy_many": 0.75,
        "accuracy_few": 0.75,  # (0.5 + 1) / 2: class 2 has no sample here
    }  # no accuracy_medium: none of its classes has a sample here
    assert per_class_accuracy(prediction).isnan().tolist() == [False, False, True, False]


def test_a_class_that_is_never_right_makes_the_harmonic_mean_zero():
    prediction = Prediction(torch.eye(2)[[0, 0]], torch.tensor([0, 1]))
    found = accuracy_scores(prediction, Groups())
    assert found["harmonic_mean"] == found["worst_class"] == 0.0
    assert not any(key.startswith("accuracy_") for key in found)


def test_per_class_table():
    prediction = Prediction(torch.eye(3)[[0, 1, 1]], torch.tensor([0, 0, 1]))
    rows = per_class_table(
        prediction, torch.tensor([1, 1, 2]), ("cat", "dog", "hen"), Groups(many=(1,), few=(2,))
    )
    keys = ("class", "name", "group", "train_count", "count", "accuracy")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        (0, "cat", "", 0, 2, 0.5),
        (1, "dog", "many", 2, 1, 1.0),
        (2, "hen", "few", 1, 0, None),
    ]


@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 40),
    classes=st.integers(2, 7),
    bins=st.integers(1, 30),
)
@settings(max_examples=60, deadline=None)
def test_ranges_and_order_of_samples(seed, count, classes, bins):
    prediction = random_prediction(count, classes, seed, labels=max(1, classes - 1))
    groups = Groups(many=(0,), medium=tuple(range(1, classes)))
    found = scores(prediction, "abcdefg"[:classes], groups, bins)
    assert all(math.isfinite(value) and value >= 0 for value in found.values())
    assert all(value <= 1 + 1e-12 for key, value in found.items() if key != "nll")
    assert found["worst_class"] <= found["harmonic_mean"] + 1e-12
    assert found["harmonic_mean"] <= found["balanced_accuracy"] + 1e-12
    assert 0 <= brier_score(prediction) <= 2

    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    shuffled = Prediction(prediction.probabilities[order], prediction.label[order])
    assert scores(shuffled, "abcdefg"[:classes], groups, bins) == pytest.approx(found)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_names_of_classes_do_not_matter(seed):
    prediction = random_prediction(seed=seed)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    renamed = Prediction(prediction.probabilities[:, order], order.argsort()[prediction.label])
    before = scores(prediction, "abcdef", Groups(few=(0, 1)))
    after = scores(renamed, "abcdef", Groups(few=tuple(order.argsort()[:2].tolist())))
    assert after == pytest.approx(before)


@pytest.mark.parametrize(
    ("probabilities", "label", "message"),
    [
        (torch.empty(0, 3), torch.empty(0, dtype=torch.int64), "N > 0"),
        (torch.eye(3), torch.tensor([0, 1]), r"\(N,\)"),
        (torch.eye(3), torch.tensor([0, 1, 3]), r"\[0, 3\)"),
        (torch.eye(3), torch.tensor([0, -1, 2]), r"\[0, 3\)"),
        (torch.eye(3) * 0.9, torch.tensor([0, 1, 2]), "distributions"),
        (torch.full((1, 2), float("nan")), torch.tensor([0]), "distributions"),
        (torch.tensor([[1.5, -0.5]]), torch.tensor([0]), "distributions"),
    ],
)
def test_predictions_that_are_none(probabilities, label, message):
    with pytest.raises(ValueError, match=message):
        Prediction(probabilities, label)


def test_wrong_bins_and_names():
    prediction = random_prediction()
    with pytest.raises(ValueError, match="`bins`"):
        reliability(prediction, 0)
    with pytest.raises(ValueError, match="`classes`"):
        scores(prediction, "abc", Groups())

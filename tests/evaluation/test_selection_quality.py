"""What a selection is worth: by hand, by sklearn, and what does not apply."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from data_tools.shot_groups import by_ranges
from supcon_ext.evaluation.memorisation import memorisation
from supcon_ext.evaluation.score_histogram import score_histogram
from supcon_ext.evaluation.selection_quality import (
    churn,
    class_divergence,
    class_rates,
    class_summary,
    class_table,
    correction_quality,
    example_quality,
    is_right,
    label_belief,
    selection_counts,
)
from tests.evaluation.test_figures import colours

ALL = np.ones(3, dtype=bool)


def mask(*values: int) -> np.ndarray:
    return np.array(values, dtype=bool)


def test_one_given_label_for_three_samples() -> None:
    right = is_right(np.zeros(3, dtype=np.int64), np.array([0, 1, 1]))
    found = example_quality(ALL, right, np.array([3.0, 2.0, 1.0]))
    assert found == pytest.approx(
        {
            "precision": 1 / 3,
            "recall": 1.0,
            "f1": 0.5,
            "specificity": 0.0,
            "accuracy": 1 / 3,
            "auc": 1.0,
        }
    )


def test_open_set_samples_are_never_right() -> None:
    """Not even under a working label of -1."""
    truth = np.array([-1, -1, 1])
    assert is_right(np.array([0, -1, 1]), truth).tolist() == [False, False, True]


def test_what_does_not_apply_is_left_out() -> None:
    none, both = ~ALL, mask(1, 0, 1)
    assert set(example_quality(none, ALL)) == {"recall", "f1", "accuracy"}
    assert set(example_quality(ALL, none, np.zeros(3))) == {
        "precision",
        "f1",
        "specificity",
        "accuracy",
    }
    assert example_quality(none, none, np.zeros(3)) == {"specificity": 1.0, "accuracy": 1.0}
    assert example_quality(none, both) == pytest.approx(
        {"recall": 0.0, "f1": 0.0, "specificity": 1.0, "accuracy": 1 / 3}
    )
    empty = np.zeros(0, dtype=bool)
    assert example_quality(empty, empty, np.zeros(0)) == {}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1))
def test_agrees_with_sklearn(rows: list[tuple[bool, bool, int]]) -> None:
    selected, right = (np.array([row[i] for row in rows]) for i in (0, 1))
    score = np.array([row[2] for row in rows], dtype=np.float32)
    found = example_quality(selected, right, score)
    assert all(math.isfinite(value) for value in found.values())
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(right, selected))
    theirs = {
        "precision": metrics.precision_score(right, selected, zero_division=np.nan),
        "recall": metrics.recall_score(right, selected, zero_division=np.nan),
        "f1": metrics.f1_score(right, selected, zero_division=np.nan),
        "specificity": metrics.recall_score(~right, ~selected, zero_division=np.nan),
    }
    for name, value in theirs.items():
        assert found.get(name, math.nan) == pytest.approx(value, nan_ok=True)
    assert ("auc" in found) == (0 < right.sum() < len(right))


def test_counts_need_no_truth() -> None:
    """Rejected or relabelled: not believed."""
    labels, working = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = selection_counts(labels, working, mask(1, 1, 0, 1))
    assert found == {"selected": 3.0, "relabelled": 1.0, "estimated_noise_rate": 0.5}


def test_corrections() -> None:
    """Of three mislabelled samples one is repaired, of two right ones one is damaged."""
    truth = np.array([0, 0, 1, 1, -1])
    labels, working = np.array([0, 0, 0, 0, 0]), np.array([0, 1, 1, 0, 0])
    assert correction_quality(labels, working, truth) == pytest.approx(
        {
            "correction_accuracy": 2 / 5,
            "noise_rate": 3 / 5,
            "repair_rate": 1 / 3,
            "damage_rate": 1 / 2,
        }
    )
    clean = np.array([0, 1])
    assert correction_quality(clean, clean, clean) == {
        "correction_accuracy": 1.0,
        "noise_rate": 0.0,
        "damage_rate": 0.0,
    }
    assert "damage_rate" not in correction_quality(1 - clean, clean, clean)
    assert correction_quality(clean[:0], clean[:0], clean[:0]) == {}


def test_churn() -> None:
    assert churn(mask(1, 1, 0, 0), mask(1, 0, 1, 0)) == 0.5
    assert churn(ALL, ALL) == 0.0


def test_class_divergence_by_hand() -> None:
    """Selected half and half, where the truth is 3 to 1; open-set samples are not counted."""
    working, truth = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, -1])
    found = class_divergence(working, mask(1, 0, 0, 1, 0), truth, 2)
    expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert found == pytest.approx({"class_kl": expected})
    assert class_divergence(working, mask(1, 1, 1, 1, 0), truth, 2)["class_kl"] == 0.0
    assert class_divergence(working, mask(0, 0, 0, 0, 0), truth, 2) == {}
    assert class_divergence(working, mask(1, 0, 0, 1, 0), np.zeros(5, dtype=np.int64), 2) == {}


def test_by_class_and_shot_group() -> None:
    """Class 2 has no sample and class 1 none selected: neither counts where it has no rate."""
    working = np.array([0, 0, 0, 1, 1])
    truth = np.array([0, 0, 1, 1, 1])
    selected = mask(1, 0, 1, 0, 0)
    groups = by_ranges(many=[0], medium=[1], few=[2], classes=3)
    rates = class_rates(working, selected, is_right(working, truth), 3)
    assert rates["precision"].tolist() == pytest.approx([1 / 2, np.nan, np.nan], nan_ok=True)
    assert rates["recall"].tolist() == pytest.approx([1 / 2, 0, np.nan], nan_ok=True)
    assert rates["f1"].tolist() == pytest.approx([1 / 2, 0, np.nan], nan_ok=True)
    found = class_summary(rates, groups)
    assert found["recall_class_mean"] == 0.25 and found["recall_worst_class"] == 0.0
    assert found["precision_many"] == 0.5 and found["recall_medium"] == 0.0
    assert "precision_medium" not in found and "recall_few" not in found

    score = np.array([3.0, 1.0, 2.0, 0.0, 0.0])
    rows = class_table(working, working, selected, score, truth, ["a", "b", "c"], groups)
    assert [row["group"] for row in rows] == ["many", "medium", "few"]
    assert [row["true_samples"] for row in rows] == [2, 3, 0]
    assert rows[0]["auc"] == 0.5 and rows[0]["noise_rate"] == pytest.approx(1 / 3)
    assert "precision" not in rows[1] and rows[1]["recall"] == 0.0
    assert rows[2] == {
        "class": 2,
        "name": "c",
        "group": "few",
        "samples": 0,
        "selected": 0,
        "trusted": 0,
        "corrected": 0,
        "true_samples": 0,
    }
    untold = class_table(working, working, selected, score, None, ["a", "b", "c"], groups)
    belief = {"trusted", "corrected"} | {
        f"estimated_noise_{end}" for end in ("rate", "low", "high")
    }
    assert set(untold[0]) == {"class", "name", "group", "samples", "selected"} | belief


def test_belief_in_labels_by_hand() -> None:
    """Of four given labels one is believed, one replaced (and that selected), two rejected."""
    given, working = np.array([2, 2, 2, 2]), np.array([2, 1, 2, 2])
    found = label_belief(given, working, mask(1, 1, 0, 0))
    assert (found["trusted"], found["corrected"]) == (1, 1)
    assert found["estimated_noise_rate"] == 0.75
    # Wilson's interval of 3 in 4: (p + z^2 / 2n -+ z sqrt(p q / n + z^2 / 4 n^2)) / (1 + z^2 / n)
    z, n, p = 1.959963984540054, 4, 0.75
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    ends = [(p + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert [found["estimated_noise_low"], found["estimated_noise_high"]] == pytest.approx(ends)


def test_memorisation_by_hand() -> None:
    """Mislabelled: two predicted as true, one as given, one as neither; clean: one of two."""
    truth = np.array([0, 0, 0, -1, 1, 1])
    labels = np.array([1, 1, 1, 2, 1, 1])
    predicted = np.array([0, 0, 1, 0, 1, 2])
    assert memorisation(predicted, labels, truth) == {
        "mislabelled_predicted_true": 0.5,
        "mislabelled_predicted_given": 0.25,
        "mislabelled_predicted_other": 0.25,
        "clean_predicted_right": 0.5,
    }
    assert set(memorisation(truth[:3], truth[:3], truth[:3])) == {"clean_predicted_right"}


def test_histogram_has_the_wrong_in_a_colour_of_their_own(tmp_path) -> None:
    score = np.linspace(0, 1, 60)
    score_histogram(tmp_path / "known.png", score, score > 0.5, score > 0.4)
    score_histogram(tmp_path / "by_class.png", score, np.arange(60) % 2 == 0, score > 0.4)
    score_histogram(tmp_path / "unknown.png", score, score > 0.5, None)
    score_histogram(tmp_path / "constant.png", np.ones(60), score >= 0, None)
    for at, dtype in ((0.0, np.float64), (1.0, np.float32), (-3e4, np.float32)):
        near = np.full(60, at, dtype)  # they differ in their last digit only
        near[::2] = np.nextafter(near[::2], dtype(2))
        score_histogram(tmp_path / "nearly.png", near, score >= 0, None)
    known, unknown = colours(tmp_path / "known.png"), colours(tmp_path / "unknown.png")
    reddish = {c for c in known if int(c[1:3], 16) > int(c[5:7], 16) + 40}
    assert reddish and not reddish & unknown

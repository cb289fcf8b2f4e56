"""What classifies as real data teach it: the measure of whether a class can be recognised.

Shape letters: N real samples, n samples, F features, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray

FOLDS = 3
Probabilities = Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]]


def reference_classifier(
    features: npt.NDArray[Any], label: IntArray, classes: int
) -> Probabilities:
    """Logistic regression on standardised features, every class weighing the same.

    Args:
        features: ``(N, F)`` of trusted real training samples.
        label: ``(N,)`` their classes.
        classes: C.

    Returns:
        Gives ``(n, C)`` probabilities of ``(n, F)`` features; 0 for classes without a sample.

    Raises:
        ValueError: The samples are of fewer than two classes.
    """
    if len(np.unique(label)) < 2:
        raise ValueError(
            "Expected trusted real samples of two classes or more for a classifier, but got "
            f"{len(np.unique(label))}."
        )
    model = _model().fit(features.astype(np.float64), label)

    def probabilities(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        found = np.zeros((len(x), classes))
        found[:, model.classes_] = model.predict_proba(x.astype(np.float64))
        return found

    return probabilities


def held_out_classes(features: npt.NDArray[Any], label: IntArray) -> IntArray | None:
    """Classes that the same classifier sees in real training samples which it was not fitted on.

    Args:
        features: ``(N, F)``.
        label: ``(N,)``.

    Returns:
        ``(N,)`` int64, by cross-validation in three parts; None for too few samples.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    if int((np.bincount(label) >= FOLDS).sum()) < 2:
        return None
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer samples than parts
        found = cross_val_predict(_model(), features.astype(np.float64), label, cv=folds)
    return np.asarray(found, dtype=np.int64)


def _model() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced")
    return make_pipeline(StandardScaler(), regression)

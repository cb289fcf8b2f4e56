"""A classifier and a transformer for scikit-learn, trained on labels that may be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from supcon_ext.estimators.short_recipe import recipe_for
from supcon_ext.estimators.training import train

Floats = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[Any]
Part = str | Mapping[str, Any]


class SupConTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of an encoder trained by supervised contrastive learning, under doubtful labels.

    ``X`` is ``(N, F)`` numbers, which are taken for vectors and standardised; pictures
    ``(N, H, W)`` or ``(N, H, W, C)`` of uint8, uint16 or floats in [0, 1]; or a list of pictures or
    of paths of image files. Nothing is left on the disk unless ``folder`` is given.

    Args:
        selector: Whom to believe: name or mapping of a selector (`supcon components selector`);
            None leaves the recipe's, which in the short recipe is every given label.
        weighting: How much classes weigh: name or mapping; None leaves the recipe's.
        epochs: Of the last stage; None leaves the recipe's, 30 in the short one.
        recipe: Name, file or mapping of any recipe, in place of the short one. Of its section
            `data` only what says how samples are read is kept: no other data, no noise.
        overrides: Texts ``a.b.c=value`` over the recipe, as on the command line.
        folder: New folder that keeps the whole run; None keeps nothing.
        random_state: An int, a RandomState, or None for another draw each time.
        verbose: Whether progress is shown.

    Attributes:
        trained_: The network and how it sees samples.
        classes_: ``(C,)`` labels that were seen in ``y``.
        trust_: ``(N,)`` float32 in [0, 1] how far each label of ``y`` was believed in the end.
        n_features_in_: Numbers of a sample, where it is a vector.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> x, y = load_digits(return_X_y=True)
        >>> features = SupConTransformer(selector="gmm", random_state=0).fit(x, y).transform(x)
    """

    def __init__(
        self,
        *,
        selector: Part | None = None,
        weighting: Part | None = None,
        epochs: int | None = None,
        recipe: str | Path | Mapping[str, Any] | None = None,
        overrides: Sequence[str] = (),
        folder: str | Path | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.selector = selector
        self.weighting = weighting
        self.epochs = epochs
        self.recipe = recipe
        self.overrides = overrides
        self.folder = folder
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Any:
        """Train on samples and their labels.

        Args:
            X: Samples, see above.
            y: ``(N,)`` labels of any kind.

        Raises:
            ValueError: The data, the recipe or an argument cannot be used, in one line.
        """
        X, y = self._checked(X, y)
        self.classes_, label = np.unique(y, return_inverse=True)
        vectors = isinstance(X, np.ndarray) and X.ndim == 2
        drawn = check_random_state(self.random_state).randint(2**31 - 1)
        recipe = recipe_for(
            vectors,
            len(label),
            recipe=self.recipe,
            overrides=self.overrides,
            selector=self.selector,
            weighting=self.weighting,
            epochs=self.epochs,
            seed=int(drawn),
            measured=self.folder is not None,
        )
        self.trained_ = train(recipe, X, label.astype(np.int64), self.folder, self.verbose)
        self.trust_ = self.trained_.trust.numpy()
        self._n_features_out = self.trained_.network.backbone.dim
        return self

    def transform(self, X: Any) -> Floats:
        """``(N, D)`` float32 features of the encoder.

        Args:
            X: Samples of the kind that :meth:`fit` saw.
        """
        check_is_fitted(self)
        found: Floats = self.trained_.outputs(self._checked(X)).features.numpy()
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _checked(self, X: Any, y: Any = None) -> Any:
        """Samples (and labels) that can be read; of pictures, no more is asked here."""
        fitting = y is not None or not hasattr(self, "trained_")
        if fitting and y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        if not _is_pictures(X):
            checked = validate_data(
                self,
                X,
                y if fitting else "no_validation",
                reset=fitting,
                dtype=(np.float64, np.float32),
                ensure_min_samples=2 if fitting else 1,
            )
            if not fitting:
                return np.asarray(checked)
            X, y = np.asarray(checked[0]), checked[1]
        if not fitting:
            return X
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        if len(y) != len(X):
            raise ValueError(
                f"Expected one label for each of the {len(X)} samples in `y`, but got {len(y)}."
            )
        return X, y


class SupConClassifier(ClassifierMixin, SupConTransformer):  # type: ignore[misc]
    """A classifier trained by supervised contrastive learning, under doubtful labels.

    Its arguments, samples and attributes are those of :class:`SupConTransformer`; ``transform``
    gives the features. Where the recipe trains no classifier of the network, a logistic regression
    on the features of the trusted samples stands in its place.

    Attributes:
        probe_: That regression; None where the network classifies.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> x, y = load_digits(return_X_y=True)
        >>> model = SupConClassifier(selector="gmm", weighting="balanced", random_state=0)
        >>> accuracy = model.fit(x[:1000], y[:1000]).score(x[1000:], y[1000:])
    """

    def fit(self, X: Any, y: Any) -> Any:
        """Train on samples and their labels; see :meth:`SupConTransformer.fit`.

        Args:
            X: Samples.
            y: ``(N,)`` labels of any kind.
        """
        super().fit(X, y)
        self.probe_ = None
        if not self.trained_.classifies and len(self.classes_) > 1:
            features, label = self.transform(X), np.searchsorted(self.classes_, column_or_1d(y))
            self.probe_ = LogisticRegression(max_iter=1000).fit(features, label, self.trust_)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """``(N, C)`` probabilities of the classes, in the order of ``classes_``.

        Args:
            X: Samples of the kind that :meth:`fit` saw.
        """
        check_is_fitted(self)
        found = self.trained_.outputs(self._checked(X))
        probability: Floats
        if self.probe_ is not None:
            probability = self.probe_.predict_proba(found.features.numpy())
        else:
            probability = found.logits.double().softmax(1).numpy()
        return probability

    def predict(self, X: Any) -> Numbers:
        """``(N,)`` the likeliest label of each sample.

        Args:
            X: Samples of the kind that :meth:`fit` saw.
        """
        likeliest = self.predict_proba(X).argmax(1)
        found: Numbers = self.classes_[likeliest]
        return found


def _is_pictures(X: Any) -> bool:
    """Whether samples are pictures or paths, which scikit-learn's own checks know nothing of."""
    if isinstance(X, np.ndarray):
        return X.ndim in (3, 4) or (X.ndim == 1 and len(X) > 0 and isinstance(X[0], (str, Path)))
    if not isinstance(X, (list, tuple)) or not X:
        return False
    first = X[0]
    return isinstance(first, (str, Path)) or hasattr(first, "getbands") or np.ndim(first) >= 2

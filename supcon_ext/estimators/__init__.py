"""Training in scikit-learn's language: a classifier and a transformer."""

from supcon_ext.estimators.estimator import SupConClassifier, SupConTransformer

__all__ = ["SupConClassifier", "SupConTransformer"]

"""Vectors of any encoder as a data set: cross-entropy, and selection and balancing composed.

Run it: ``python examples/frozen_vectors.py``. The vectors are scikit-learn's digits, of whose
training labels 40 % are wrong; put yours in their place, or the file that ``supcon embed`` writes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from supcon_ext import load_recipe, run

TRAIN = 1400


def write_vectors(file: Path, rate: float = 0.4) -> None:
    """The digits with noise, in the form that recipes read."""
    x, label = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    wrong = (random.random(len(label)) < rate) & (np.arange(len(label)) < TRAIN)
    given = np.where(wrong, (label + random.integers(1, 10, len(label))) % 10, label)
    split = np.where(np.arange(len(label)) < TRAIN, "train", "test")
    np.savez(file, vectors=x.astype(np.float32), label=given, split=split)


def main() -> None:
    """Write them, train twice, and print how it went."""
    with tempfile.TemporaryDirectory() as place:
        write_vectors(Path(place) / "digits.npz")
        for name in ("features/cross_entropy", "features/composed"):
            overrides = [f"data.dataset.file={place}/digits.npz", "tracking.uri=none"]
            recipe = load_recipe(name, overrides)
            done = run(recipe, folder=Path(place) / recipe.name)
            measured = done.results["last"]["test"]["classifier"]
            print(f"{name}: test accuracy {measured['accuracy']:.3f}")


if __name__ == "__main__":
    main()

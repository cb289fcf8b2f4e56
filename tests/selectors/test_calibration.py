"""Probabilities that labels calibrate through a matrix, against scipy's search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from supcon_ext.selectors import calibration
from supcon_ext.selectors.calibration import likeliest_through

CLASSES, COUNT = 4, 300


def problem(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores that are too sure and lean to a class, a matrix, and labels drawn through it."""
    drawn = np.random.default_rng(seed)
    true = drawn.choice(CLASSES, COUNT, p=[0.5, 0.3, 0.15, 0.05])
    scores = 3 * np.eye(CLASSES)[true] + 2 * drawn.normal(size=(COUNT, CLASSES)) + [0, 1, 0, -2]
    matrix = np.full((CLASSES, CLASSES), 0.05) + 0.4 * np.eye(CLASSES)
    matrix += 0.4 * np.roll(np.eye(CLASSES), 1, axis=1)
    label = np.array([drawn.choice(CLASSES, p=matrix[each]) for each in true])
    return torch.tensor(3 * scores).float(), torch.tensor(matrix).float(), torch.tensor(label)


@pytest.mark.parametrize("seed", range(4))
def test_scipy_finds_the_same(seed: int) -> None:
    scores, matrix, label = problem(seed)
    x, through, y = scores.double().numpy(), matrix.double().numpy(), label.numpy()
    x = x - x.mean(0)
    given = np.bincount(y, minlength=CLASSES) / COUNT
    expected = np.minimum(calibration.FOUND_SHARE * given, calibration.FOUND / COUNT)

    def softened(free: np.ndarray) -> np.ndarray:
        return softmax(np.exp(free[0]) * x + free[1:], axis=1)

    def loss(free: np.ndarray) -> float:
        p = softened(free)
        own = np.log((p @ through)[np.arange(COUNT), y])
        far = (free**2).sum() / (2 * calibration.WIDTH**2 * COUNT)
        return float(-own.mean() - (expected * np.log(p.mean(0))).sum() + far)

    found = minimize(loss, np.zeros(1 + CLASSES), method="BFGS", options={"gtol": 1e-8})
    made = likeliest_through(scores, matrix, label)
    assert made.sum(1).numpy() == pytest.approx(1, abs=1e-5)
    assert made.numpy() == pytest.approx(softened(found.x), abs=2e-3)
    assert made.log().numpy() != pytest.approx(log_softmax(x, axis=1), abs=0.5)  # it did something


@pytest.mark.parametrize("remembered", [0, 2**26])
def test_it_ends_at_the_same_place_however_much_is_remembered(
    remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, matrix, label = problem(0)
    whole = likeliest_through(scores, matrix, label)
    monkeypatch.setattr(calibration, "REMEMBERED", remembered)
    assert torch.allclose(likeliest_through(scores, matrix, label), whole, atol=2e-3)


def test_only_voters_decide() -> None:
    scores, matrix, label = problem(0)
    other = label.clone()
    other[200:] = 0
    assert torch.equal(
        likeliest_through(scores, matrix, label, 200), likeliest_through(scores, matrix, other, 200)
    )
    assert not torch.allclose(
        likeliest_through(scores, matrix, label), likeliest_through(scores, matrix, other)
    )

"""Mixtures of two: published numbers, independent references, and values that say nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.mixture import GaussianMixture

from supcon_ext.selectors.betas import beta_mixture
from supcon_ext.selectors.fine import FINE
from supcon_ext.selectors.mixtures import (
    DIVIDEMIX,
    Em,
    Mixture,
    Start,
    alike,
    gaussian_mixture,
    low_component,
    two_gaussians,
    unit_range,
)
from supcon_ext.selectors.tcl import TCL

LOSSES = torch.tensor([0.10, 0.12, 0.11, 0.13, 0.90, 1.00, 0.95])
dividemix = partial(gaussian_mixture, em=DIVIDEMIX)
MIXTURES = [
    dividemix,
    partial(gaussian_mixture, em=DIVIDEMIX, monotone=True),
    partial(gaussian_mixture, em=FINE),
    partial(gaussian_mixture, em=TCL),
    beta_mixture,
    partial(beta_mixture, scaling="range"),
]


def skewed(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.concatenate([draw.gamma(1, 0.1, 600), draw.normal(1.5, 0.5, 400).clip(0)])


def test_two_gaussians_by_hand() -> None:
    expected = torch.tensor([1.0, 1, 1, 1, 0, 0, 0])
    torch.testing.assert_close(dividemix(LOSSES), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(dividemix(3 * LOSSES + 2), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("start", ["best_split", "k_means"])
@pytest.mark.parametrize("em", [DIVIDEMIX, FINE, TCL])
@pytest.mark.parametrize("seed", range(2))
def test_two_gaussians_are_those_of_scikit_learn_from_its_k_means(
    seed: int, em: Em, start: Start
) -> None:
    losses = skewed(seed)
    unit = ((losses - losses.min()) / np.ptp(losses) if em.unit else losses)[:, None]
    plain = GaussianMixture(
        2, max_iter=em.iterations, tol=em.tolerance, reg_covar=em.variance, random_state=0
    ).fit(unit)
    expected = plain.predict_proba(unit)[:, plain.means_.argmin()]
    found = gaussian_mixture(torch.from_numpy(losses), replace(em, start=start))
    assert found is not None and found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_a_wide_component_claims_both_tails_unless_monotone() -> None:
    draw = np.random.default_rng(0)
    tail = np.array([8.0])  # beyond the narrow high component
    values = torch.from_numpy(
        np.concatenate([draw.normal(-4, 2, 600), draw.normal(3, 0.5, 400), tail])
    )
    plain, monotone = dividemix(values), dividemix(values, monotone=True)
    assert plain is not None and monotone is not None
    assert plain[-1] > 0.9 and monotone[-1] < 0.1
    assert (monotone[values.argsort()].diff() <= 0).all()
    between = (values > -3) & (values < 2.5)
    assert torch.equal(plain[between], monotone[between])


def betas(unit: np.ndarray) -> np.ndarray:
    """EM for two Beta densities, as plainly as it can be written."""
    shapes, weight = [(1.0, 2.0), (2.0, 1.0)], [0.5, 0.5]

    def share() -> np.ndarray:
        joint = np.stack(
            [w * stats.beta.pdf(unit, a, b) for (a, b), w in zip(shapes, weight, strict=True)]
        )
        return joint / joint.sum(0)

    for _ in range(10):
        r = share()
        shapes = []
        for row in r:
            m = np.average(unit, weights=row)
            v = np.average((unit - m) ** 2, weights=row)
            a = m * (m * (1 - m) / v - 1)
            shapes.append((a, a * (1 - m) / m))
        weight = list(r.sum(1) / r.sum())
    assert shapes[0][0] / sum(shapes[0]) < shapes[1][0] / sum(shapes[1])
    high = share()[1]
    peak = unit[high.argmax()]
    return 1 - np.where(unit >= peak, high.max(), high)


@pytest.mark.parametrize("seed", range(4))
def test_two_betas_are_those_of_a_plain_reference(seed: int) -> None:
    losses = skewed(seed)
    unit = ((losses - losses.min()) / np.ptp(losses)).clip(1e-4, 1 - 1e-4)
    found = beta_mixture(torch.from_numpy(losses), "range")
    assert found is not None
    np.testing.assert_allclose(found.numpy(), betas(unit), atol=1e-5)


def test_two_betas_tell_planted_components_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten iterations do not converge; thirty give the planted share."""
    draw = np.random.default_rng(0)
    values = torch.from_numpy(np.concatenate([draw.beta(2, 20, 700), draw.beta(12, 4, 300)]))
    low = torch.arange(1000) < 700
    early = beta_mixture(values, "range")
    assert early is not None
    assert ((early > 0.5) == low).float().mean() > 0.98
    monkeypatch.setattr("supcon_ext.selectors.betas.BETA_ITERATIONS", 30)
    found = beta_mixture(values, "range")
    assert found is not None
    assert ((found > 0.5) == low).float().mean() > 0.995
    assert found.mean() == pytest.approx(0.7, abs=0.01)
    by_value = found[values.argsort()]
    assert by_value[-1] == by_value.min()  # monotone beyond its extreme


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [0.7] * 5,
        [0.0, 0.0],
        [1.0, 1.0 + 1e-7, 1.0],
        [1.0, float("nan"), 2.0],
        [1.0, float("inf")],
    ],
)
def test_values_that_say_nothing(values: list[float]) -> None:
    found = torch.tensor(values)
    assert alike(found)
    assert [mixture(found) for mixture in MIXTURES] == [None] * len(MIXTURES)
    assert torch.equal(unit_range(found), torch.zeros(len(values), dtype=torch.float64))


@pytest.mark.parametrize("mixture", MIXTURES)
@given(
    values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=40),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_any_values_have_a_posterior_that_follows_the_samples(
    mixture: Mixture, values: list[float], seed: int
) -> None:
    told = torch.tensor(values)
    found = mixture(told)
    if found is None:
        assert alike(told)
        return
    assert found.isfinite().all() and (found >= 0).all() and (found <= 1).all()
    order = torch.randperm(len(told), generator=torch.Generator().manual_seed(seed))
    moved = mixture(told[order])
    assert moved is not None
    torch.testing.assert_close(moved, found[order], atol=1e-4, rtol=0)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_one_mode_does_not_crash(mixture: Mixture) -> None:
    values = torch.randn(200, generator=torch.Generator().manual_seed(0))
    found = mixture(values)
    assert found is not None and found.isfinite().all() and (found > 0.5).any()


def test_one_mixture_for_all_or_one_for_each_class(caplog: pytest.LogCaptureFixture) -> None:
    """Class 1 is learned late: its small losses are large beside class 0's."""
    low = torch.tensor([0.1, 0.11, 0.12, 0.9, 0.91, 0.8, 0.81, 0.82, 3.0, 3.1, 5.0, 6.0, 6.0])
    label = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 4, 4])
    own, told = low_component(low, dividemix, label, 5, per_class=True)
    assert (own > 0.5).tolist() == [True] * 3 + [False] * 2 + [True] * 3 + [False] * 2 + [True] * 3
    assert told == {"classes_kept_whole": 2.0}  # class 2 of one sample, 4 constant; 3 is empty
    assert "2 classes" in caplog.text
    every, told = low_component(low, dividemix, label, 5, per_class=False)
    assert (every[:8] > 0.5).all() and not (every[8:] > 0.5).any()
    assert told["low_share"] == pytest.approx(8 / 13, abs=0.01)
    assert told["low_mean"] == pytest.approx(float(low[:8].mean()), abs=0.01)
    assert told["high_mean"] == pytest.approx(float(low[8:].mean()), abs=0.05)
    caplog.clear()
    kept, told = low_component(torch.ones(13), dividemix, label, 5, per_class=False)
    assert kept.tolist() == [1.0] * 13 and told == {}
    assert "trusting every sample" in caplog.text


def test_a_fitted_mixture_answers_for_values_that_were_not_fitted() -> None:
    """In the scale that the values had; the same answer as for a fitted value of the same size."""
    for em in (DIVIDEMIX, FINE):
        fitted = two_gaussians(3 * LOSSES + 2, em)
        assert fitted is not None and two_gaussians(torch.ones(4), em) is None
        given = fitted.posterior(3 * LOSSES + 2)
        assert torch.equal(given, gaussian_mixture(3 * LOSSES + 2, em))
        assert torch.equal(fitted.posterior(3 * LOSSES[4:6] + 2), given[4:6])
        means = sorted(fitted.mixture.means_[:, 0] * fitted.span + fitted.zero)
        assert means == pytest.approx([2.345, 4.85], abs=1e-3)
        assert fitted.posterior(torch.tensor(means)).tolist() == pytest.approx([1, 0], abs=1e-4)

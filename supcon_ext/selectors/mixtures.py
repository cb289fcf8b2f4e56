"""Two components in one dimension: the samples of small loss, and the others.

What cannot be told apart (constant or non-finite values, fewer than two of them) is kept whole, and
warned of. Unless told otherwise no random draw is made, and the samples' order does not matter.

Letters: N samples, n samples of a class, C classes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

logger = logging.getLogger(__name__)

Mixture = Callable[[Tensor], Tensor | None]
"""Fits ``(n,)`` values; gives each one's posterior of the low component, None if it cannot."""

Start = Literal["best_split", "k_means"]

RESOLUTION = 1e-6  # values closer than this share of the largest are the same in float32


def alike(values: Tensor) -> bool:
    """Whether a score says nothing: fewer than two values, all the same, or one not finite.

    Args:
        values: ``(n,)`` float.
    """
    if len(values) < 2 or not bool(values.isfinite().all()):
        return True
    spread = float(values.max() - values.min())
    return spread <= RESOLUTION * float(values.abs().max())


def unit_range(values: Tensor) -> Tensor:
    """The values moved and stretched to [0, 1]; zeros where they are :func:`alike`.

    Args:
        values: ``(n,)`` float.

    Returns:
        ``(n,)`` float64.
    """
    values = values.double()
    if alike(values):
        return torch.zeros_like(values)
    low = values.min()
    return (values - low) / (values.max() - low)


@dataclass(frozen=True, slots=True)
class Em:
    """How a mixture of two Gaussians is fitted; each published selector has its own way.

    Attributes:
        iterations: At most so many.
        tolerance: EM stops where the mean log-likelihood gains less.
        variance: Added to the variances.
        unit: Whether the values are brought to [0, 1] first.
        start: ``best_split``, the split in two of least squares, which k-means looks for and which
            in one dimension is found exactly; or ``k_means``, one run of scikit-learn's from random
            centres (seed 0), which may end in another split and depends on the samples' order.
    """

    iterations: int
    tolerance: float
    variance: float
    unit: bool = True
    start: Start = "best_split"


DIVIDEMIX = Em(iterations=10, tolerance=1e-2, variance=5e-4)


@dataclass(frozen=True, slots=True)
class TwoGaussians:
    """A fitted mixture of two Gaussians.

    Attributes:
        mixture: scikit-learn's.
        zero: The value that became 0.
        span: By how much a value exceeds it that became 1.
    """

    mixture: GaussianMixture
    zero: float
    span: float

    def posterior(self, values: Tensor, *, monotone: bool = False) -> Tensor:
        """Of the component of lower mean, also for values that were not fitted.

        Args:
            values: ``(m,)`` float.
            monotone: Give values outside the two means the posterior of the nearer mean. Left
                alone, the wider component claims both tails, and so the far side of the other one.

        Returns:
            ``(m,)`` float32 in [0, 1].
        """
        told = ((values.double() - self.zero) / self.span).cpu().numpy()
        means = self.mixture.means_[:, 0]
        if monotone:
            told = told.clip(means.min(), means.max())
        posterior = self.mixture.predict_proba(told[:, None])[:, means.argmin()]
        return torch.from_numpy(posterior).float().to(values.device)


def two_gaussians(values: Tensor, em: Em) -> TwoGaussians | None:
    """Fit a mixture of two Gaussians by EM.

    Args:
        values: ``(n,)`` float, such as losses.
        em: How they are fitted.

    Returns:
        The mixture; None if the values are :func:`alike`.
    """
    if alike(values):
        return None
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    values = values.double()
    zero = float(values.min()) if em.unit else 0.0
    span = float(values.max()) - zero if em.unit else 1.0
    told = ((values - zero) / span).cpu().numpy()
    mixture = GaussianMixture(
        n_components=2,
        max_iter=em.iterations,
        tol=em.tolerance,
        reg_covar=em.variance,
        random_state=0,
        **(_from_split(told, em.variance) if em.start == "best_split" else {}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many iterations are the definition
        mixture.fit((np.sort(told) if em.start == "best_split" else told)[:, None])
    return TwoGaussians(mixture, zero, span)


def gaussian_mixture(values: Tensor, em: Em, *, monotone: bool = False) -> Tensor | None:
    """Posterior of the component of lower mean among two Gaussians, fitted by EM.

    Args:
        values: ``(n,)`` float, such as losses.
        em: How they are fitted.
        monotone: As of :meth:`TwoGaussians.posterior`.

    Returns:
        ``(n,)`` float32 in [0, 1]; None if the values are :func:`alike`.
    """
    fitted = two_gaussians(values, em)
    return None if fitted is None else fitted.posterior(values, monotone=monotone)


def _from_split(values: np.ndarray[Any, Any], variance: float) -> dict[str, Any]:
    """What EM starts from: the two sides of the best split."""
    low, high = _best_split(values)
    variances = np.array([low.var(), high.var()]) + variance
    return {
        "weights_init": np.array([len(low), len(high)]) / len(values),
        "means_init": np.array([[low.mean()], [high.mean()]]),
        "precisions_init": (1 / variances)[:, None, None],
    }


def _best_split(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Cut sorted values in two where the squares about the two means sum to least."""
    ordered = np.sort(values)
    count = np.arange(1, len(ordered))
    below = np.cumsum(ordered)[:-1]
    above = ordered.sum() - below
    cut = int(np.argmax(below**2 / count + above**2 / count[::-1])) + 1
    return ordered[:cut], ordered[cut:]


def low_component(
    values: Tensor, mixture: Mixture, label: Tensor, classes: int, per_class: bool
) -> tuple[Tensor, dict[str, float]]:
    """The posterior of the low component, with one mixture for all samples or one for each class.

    Args:
        values: ``(N,)`` float; the smaller, the more a sample is believed.
        mixture: :func:`gaussian_mixture`, or that of ``betas``.
        label: ``(N,)`` int64 in ``[0, C)``.
        classes: Number of classes C.
        per_class: Fit each class by itself.

    Returns:
        ``(N,)`` float32 in [0, 1], 1 where no mixture could be fitted; and what to log: with one
        mixture the means and the share of the low component, with one for each class the number
        of classes that were kept whole.
    """
    if not per_class:
        found = mixture(values)
        if found is None:
            logger.warning("the values of all samples are alike: trusting every sample")
            return torch.ones(len(values), device=values.device), {}
        return found, _parameters(values, found)
    posterior = torch.ones(len(values), device=values.device)
    whole = []
    for class_ in range(classes):
        members = (label == class_).nonzero()[:, 0]
        found = mixture(values[members])
        if found is not None:
            posterior[members] = found
        elif len(members):
            whole.append(class_)
    if whole:
        logger.warning(
            "%d classes have fewer than two samples or values that are alike, and are trusted "
            "whole: the first is class %d",
            len(whole),
            whole[0],
        )
    return posterior, {"classes_kept_whole": float(len(whole))}


def _parameters(values: Tensor, posterior: Tensor) -> dict[str, float]:
    low, high = posterior.double(), 1 - posterior.double()
    values = values.double()
    return {
        "low_mean": float(low @ values / low.sum().clamp(min=1e-12)),
        "high_mean": float(high @ values / high.sum().clamp(min=1e-12)),
        "low_share": float(low.mean()),
    }

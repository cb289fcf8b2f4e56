"""Two Beta densities in one dimension: the samples of small loss, and the others.

Letters: n samples.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from supcon_ext.selectors.mixtures import alike, unit_range

Scaling = Literal["percentiles", "range"]

EDGE = 1e-4  # Beta densities are only defined between 0 and 1
OUTSIDE = 1e-3  # what losses beyond the percentiles become, and 1 less this
BETA_ITERATIONS = 10


def beta_mixture(values: Tensor, scaling: Scaling = "percentiles") -> Tensor | None:
    """Posterior of the component of lower mean among two Betas (Arazo et al. 2019).

    Ten iterations of EM from Beta(1, 2) and Beta(2, 1), whose M-step matches weighted moments. The
    posterior of the high component stays at its largest value for all values beyond it, and does
    not rise again below the low component's mean; Beta tails would do either.

    Args:
        values: ``(n,)`` float, such as losses.
        scaling: ``percentiles``: the 5th and the 95th become 0 and 1, the values between them are
            fitted, and the others are taken for 1e-3 and 1 - 1e-3. ``range``: so do the smallest
            and the largest, all are fitted, and clipped to [1e-4, 1 - 1e-4]. Where all values
            between the percentiles are :func:`alike`, it is the range as well.

    Returns:
        ``(n,)`` float32 in [0, 1]; None if the values are :func:`alike`.
    """
    if alike(values):
        return None
    unit, fitted = _scaled(values, scaling)
    a, b, weight = (unit.new_tensor(v) for v in ([1.0, 2.0], [2.0, 1.0], [0.5, 0.5]))
    for _ in range(BETA_ITERATIONS):
        share = _responsibility(fitted, a, b, weight)
        mass = share.sum(1).clamp(min=1e-12)
        mean = (share @ fitted / mass).clamp(EDGE, 1 - EDGE)
        variance = (share * (fitted - mean[:, None]).square()).sum(1) / mass
        a = mean * (mean * (1 - mean) / variance.clamp(min=1e-8) - 1)
        b = a * (1 - mean) / mean
        weight = mass / mass.sum()
    mean = a / (a + b)
    order = unit.argsort(stable=True)
    points = torch.cat([mean.min()[None], unit[order]])
    high = _responsibility(points, a, b, weight)[int(mean.argmax())]
    at_low_mean, rising = high[0], high[1:]
    below = min(int((points[1:] < points[0]).sum()), len(unit) - 1)
    rising[:below] = rising[:below].minimum(at_low_mean)
    top = below + int(rising[below:].argmax())
    rising[top:] = rising[top]
    posterior = torch.empty_like(unit)
    posterior[order] = 1 - rising
    return posterior.float()


def _scaled(values: Tensor, scaling: Scaling) -> tuple[Tensor, Tensor]:
    """All values within (0, 1), and those of them that are fitted."""
    values = values.double()
    if scaling == "percentiles":
        low, high = np.percentile(values.cpu().numpy(), [5, 95]).tolist()
        inside = (values >= low) & (values <= high)
        if not alike(values[inside]):
            unit = ((values - low) / (high - low)).clamp(OUTSIDE, 1 - OUTSIDE)
            return unit, unit[inside]
    unit = unit_range(values).clamp(EDGE, 1 - EDGE)
    return unit, unit


def _responsibility(unit: Tensor, a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """``(2, n)`` posterior of each component."""
    norm = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    x = unit[None, :]
    density = (a - 1)[:, None] * x.log() + (b - 1)[:, None] * (1 - x).log() - norm[:, None]
    return (density + weight.log()[:, None]).softmax(0)

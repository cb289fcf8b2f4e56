"""The mean of a run's last validations, which says more than its last one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

PREFIX = "validation/"


def last_validations(
    metrics: Mapping[str, Sequence[tuple[int, float]]], count: int = 10
) -> dict[str, float]:
    """Means over the last validations in training, as long-tail papers report their last epochs.

    The test set has no part in it: it is opened once, at the end.

    Args:
        metrics: Numbers of a run as :func:`~supcon_ext.tracking.results.read_metrics` gives them.
        count: How many validations, at least 1; all where there are fewer.

    Returns:
        ``validations``, how many went into the means, and the mean of each number by its name
        without ``validation/`` (``classifier/accuracy``); empty if nothing was validated.

    Raises:
        ValueError: ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"Expected at least 1 of argument `count`, but got {count}. Try: 10.")
    last = {
        key.removeprefix(PREFIX): [value for _, value in points[-count:]]
        for key, points in metrics.items()
        if key.startswith(PREFIX) and points
    }
    if not last:
        return {}
    return {
        "validations": float(max(map(len, last.values()))),
        **{name: fmean(values) for name, values in sorted(last.items())},
    }

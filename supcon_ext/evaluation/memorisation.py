"""Whether a network remembers wrong labels (the curves of Liu et al. 2020, "ELR", figure 1)."""

from __future__ import annotations

from supcon_ext.evaluation.selection_quality import IntArray, is_right


def memorisation(predicted: IntArray, given: IntArray, truth: IntArray) -> dict[str, float]:
    """What is predicted for training samples with a wrong and with a right label.

    Args:
        predicted: ``(N,)`` int64 in [0, C).
        given: ``(N,)`` int64.
        truth: ``(N,)`` int64; -1 for open-set samples, which have a wrong label and no right
            prediction.

    Returns:
        ``mislabelled_predicted_true``, ``mislabelled_predicted_given`` (memorised) and
        ``mislabelled_predicted_other``, which sum to 1, and ``clean_predicted_right``; each is left
        out where no sample is of that kind.
    """
    clean = is_right(given, truth)
    right = is_right(predicted, truth)
    found: dict[str, float] = {}
    if not clean.all():
        true = float(right[~clean].mean())
        as_given = (predicted == given)[~clean]
        other = ~right[~clean] & ~as_given
        found["mislabelled_predicted_true"] = true
        found["mislabelled_predicted_given"] = float(as_given.mean())
        found["mislabelled_predicted_other"] = float(other.mean())
    if clean.any():
        found["clean_predicted_right"] = float(right[clean].mean())
    return found

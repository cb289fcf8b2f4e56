"""Suspicion by scores of another tool, such as cleanlab's label quality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import Verdict
from supcon_ext.selectors.offline_scores import read_scores


def outside_scores(file: Path, samples: AuditedSamples) -> Tensor:
    """Read a score for each sample.

    Args:
        file: A table (CSV, TSV, JSONL, Parquet) or an NPZ archive with ``index``, the place in the
            data set's training set as in the audit's ``labels.csv``, and ``score`` in [0, 1], the
            larger the more believed.
        samples: The N samples under audit. Test images, and validation images that were shipped
            apart, are in no such file and get none (NaN).

    Returns:
        ``(N,)`` float64.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, a score is outside [0, 1], or a sample has none.
    """
    found = read_scores(file)
    if len(found.score) and not (0 <= found.score.min() and found.score.max() <= 1):
        raise ValueError(
            f"Expected scores in [0, 1] in {file}, but got {found.score.min():.4g} to "
            f"{found.score.max():.4g}. Try: bring them there; their order is what counts"
        )
    count = samples.from_training
    wanted = samples.index[:count]
    order = found.index.argsort()
    place = np.searchsorted(found.index[order], wanted).clip(max=max(len(order) - 1, 0))
    score = np.full(len(samples), np.nan)
    if len(order):
        row = order[place]
        score[:count] = np.where(found.index[row] == wanted, found.score[row], np.nan)
    missing = np.flatnonzero(np.isnan(score[:count]))
    if len(missing):
        raise ValueError(
            f"Expected a score in {file} for each of {count} samples, but {len(missing)} have "
            f"none, first index {wanted[missing[0]]}. Try: `index` as in labels.csv"
        )
    return torch.from_numpy(score)


def by_scores(verdict: Verdict, score: Tensor) -> Verdict:
    """The verdict with suspicion ``1 - score``; where there is no score, the neighbours' stays."""
    return replace(verdict, suspicion=torch.where(score.isnan(), verdict.suspicion, 1 - score))

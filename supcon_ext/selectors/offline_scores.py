"""Scores and labels from a file: what was found once, with another model, before training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import constant

THRESHOLD = 0.5
COLUMNS = ("index", "score", "label")


@dataclass(frozen=True, slots=True)
class Scores:
    """What a file says.

    Attributes:
        index: ``(n,)`` int64 places in the training set, each once.
        score: ``(n,)`` float64, finite.
        label: ``(n,)`` int64, -1 for none; or None.
    """

    index: NDArray[np.int64]
    score: NDArray[np.float64]
    label: NDArray[np.int64] | None


def read_scores(path: Path) -> Scores:
    """Read ``index``, ``score`` and, if there, ``label`` from a CSV file or an NPZ archive.

    Args:
        path: A CSV file with a line of column names, or arrays of these names in an ``.npz``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing or of another length, an index comes twice or is no integer
            of at least 0, a score is not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of scores, but {path} does not exist.")
    columns = _read_npz(path) if path.suffix == ".npz" else _read_csv(path)
    for name in ("index", "score"):
        if name not in columns:
            raise ValueError(
                f"Expected a column `{name}` in {path}, but got {', '.join(columns) or 'none'}. "
                "Try: the columns index, score and, if you like, label"
            )
    lengths = {name: columns[name].shape for name in COLUMNS if name in columns}
    if len(set(lengths.values())) > 1 or columns["index"].ndim != 1:
        raise ValueError(f"Expected columns of one length in {path}, but got shapes {lengths}")
    index = _integers(columns["index"], "index", path, least=0)
    values, first = np.unique(index, return_index=True)
    if len(values) < len(index):
        twice = index[np.setdiff1d(np.arange(len(index)), first)[0]]
        raise ValueError(f"Expected each index once in {path}, but got {twice} more than once")
    try:
        score = columns["score"].astype(np.float64)
    except ValueError:
        score = np.full(len(index), np.nan)
    if not np.isfinite(score).all():
        place = int(index[~np.isfinite(score)][0])
        raise ValueError(
            f"Expected finite numbers as scores in {path}, but got another at index {place}"
        )
    label = None
    if "label" in columns:
        label = _integers(columns["label"], "label", path, least=-1)
    return Scores(index, score, label)


def _read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_csv(path: Path) -> dict[str, NDArray[np.generic]]:
    import pandas as pd

    try:
        table = pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        return {}
    return {str(name): table[name].to_numpy() for name in table.columns}


def _integers(values: NDArray[np.generic], name: str, path: Path, least: int) -> NDArray[np.int64]:
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        numbers = np.full(len(values), np.nan)
    wrong = ~(np.isfinite(numbers) & (numbers >= least) & (numbers == np.rint(numbers)))
    if wrong.any():
        raise ValueError(
            f"Expected integers of at least {least} in column `{name}` of {path}, "
            f"but got {values[wrong][0]!s} in row {int(wrong.nonzero()[0][0]) + 1}"
        )
    return numbers.astype(np.int64)


@selector("offline_scores")
class OfflineScores(SampleSelector):
    """Keeps samples by scores from a file, such as those of a frozen vision-language model.

    CLIPCleaner (Feng et al. 2024) finds clean samples in this way once, before training. The file
    has a score for each training sample, the larger the more it is believed, and may have a label,
    which then is the working label (-1 keeps the given one). Rows go by ``index``, the sample's
    place in the training set, and may come in any order; every sample must have one. Where all
    scores are equal every sample is kept.

    Args:
        path: A CSV file or an NPZ archive with ``index``, ``score`` and perhaps ``label``.
        threshold: Kept is whose score is at least this; 0.5 where no quantile is named.
        quantile: Kept is whose score is at least this quantile of all (linear): 0.3 leaves out the
            lowest 30 %.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be used, or both threshold and quantile are named.
    """

    def __init__(
        self,
        path: str,
        threshold: float | None = None,
        quantile: Annotated[float, Field(ge=0, le=1)] | None = None,
    ) -> None:
        if threshold is not None and quantile is not None:
            raise ValueError(
                f"Expected one of `threshold` and `quantile`, but got {threshold} and {quantile}. "
                "Try: leave one out"
            )
        self.path = path
        self.threshold = THRESHOLD if threshold is None else threshold
        self.quantile = quantile
        self.scores = read_scores(Path(path))

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Look the samples up."""
        index, count = self.scores.index, len(bank)
        missing = np.setdiff1d(np.arange(count), index)
        if len(missing) or len(index) > count:
            extra = index[index >= count]
            what = f"none for sample {missing[0]}" if len(missing) else f"one for sample {extra[0]}"
            raise ValueError(
                f"Expected a score in {self.path} for each of {count} training samples, 0 to "
                f"{count - 1}, but got {len(index)} rows and {what}"
            )
        order = index.argsort()
        score = torch.from_numpy(self.scores.score[order])
        label = bank.label
        if self.scores.label is not None:
            told = torch.from_numpy(self.scores.label[order])
            if int(told.max()) >= bank.classes:
                raise ValueError(
                    f"Expected labels below {bank.classes} in {self.path}, but got {told.max()}"
                )
            label = torch.where(told < 0, label, told)
        limit = self.threshold if self.quantile is None else float(score.quantile(self.quantile))
        kept = torch.ones(count, dtype=torch.bool) if constant(score) else score >= limit
        stats = {
            "kept": float(kept.sum()),
            "threshold": limit,
            "relabelled": float((label != bank.label).sum()),
        }
        return Selection.of(label, kept, stats, score)

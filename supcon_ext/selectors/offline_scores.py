"""Scores and labels from a file: what was found once, with another model, before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from data_tools.npz import open_arrays, read_member
from data_tools.tables import read_table
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
    """Read ``index``, ``score`` and, if there, ``label`` from a table or an NPZ archive.

    Args:
        path: A table (CSV, TSV, JSONL or Parquet), or arrays of these names in an ``.npz``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is malformed, a column is missing or of another length, an index comes
            twice or is no integer of at least 0, a score is not finite.
    """
    columns = _columns(path)
    for name in ("index", "score"):
        if name not in columns:
            raise ValueError(
                f"Expected a column `{name}` in {path}, but got {', '.join(columns) or 'none'}. "
                "Try: the columns index, score and, if you like, label"
            )
    lengths = {name: len(column.number) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Expected columns of one length in {path}, but got lengths {lengths}")
    index = columns["index"].integers(least=0)
    values, first = np.unique(index, return_index=True)
    if len(values) < len(index):
        row = int(np.setdiff1d(np.arange(len(index)), first)[0])
        raise ValueError(
            f"Expected each index once, but got {index[row]} more than once, "
            f"again in {columns['index'].place(row)}"
        )
    score = columns["score"]
    score.require(np.isfinite(score.number), "finite numbers")
    label = columns["label"].integers(least=-1) if "label" in columns else None
    return Scores(index, score.number, label)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its cells as numbers (NaN where one is none), as they came, and their places."""

    name: str
    number: NDArray[np.float64]
    cells: Sequence[Any] | NDArray[Any]
    place: Callable[[int], str]

    def integers(self, least: int) -> NDArray[np.int64]:
        number = self.number
        good = np.isfinite(number) & (number >= least) & (number == np.rint(number))
        self.require(good, f"integers of at least {least}")
        return number.astype(np.int64)

    def require(self, good: NDArray[np.bool_], what: str) -> None:
        wrong = np.flatnonzero(~good)
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"Expected {what} in column `{self.name}`, but got {self.cells[row]!r} in "
                f"{self.place(row)}"
            )


def _columns(path: Path) -> dict[str, _Column]:
    if path.suffix.lower() != ".npz":
        table = read_table(path, argument="path")
        table.require("index", "score")
        names = [name for name in COLUMNS if name in table.columns]
        return {
            name: _Column(name, table.numbers(name), table.columns[name], table.place)
            for name in names
        }
    with open_arrays(path) as archive:
        arrays = {n: read_member(archive, n, path) for n in COLUMNS if n in archive.files}
    for name, values in arrays.items():
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise ValueError(
                f"Expected numbers (n,) in `{name}` of {path}, "
                f"but got {values.dtype} {values.shape}"
            )
    return {
        name: _Column(
            name, values.astype(np.float64), values, lambda row: f"row {row + 1} of {path}"
        )
        for name, values in arrays.items()
    }


@selector("offline_scores")
class OfflineScores(SampleSelector):
    """Keeps samples by scores from a file, such as those of a frozen vision-language model.

    CLIPCleaner (Feng et al. 2024) finds clean samples in this way once, before training. The file
    has a score for each training sample, the larger the more it is believed, and may have a label,
    which then is the working label: a class's number from 0 (-1 keeps the given one). Rows go by
    ``index``, the sample's place in the training set, and may come in any order; every sample must
    have one. Where all scores are equal every sample is kept. Synthetic samples have no scores, and
    are kept.

    Args:
        path: A table (CSV, TSV, JSONL, Parquet) or an NPZ archive with ``index``, ``score`` and
            perhaps ``label``.
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
        index, count = self.scores.index, len(bank) if bank.real is None else bank.real
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
            given = label[:count]
            label = torch.cat([torch.where(told < 0, given, told), label[count:]])
        limit = self.threshold if self.quantile is None else float(score.quantile(self.quantile))
        kept = torch.ones(count, dtype=torch.bool) if constant(score) else score >= limit
        stats = {
            "kept": float(kept.sum()),
            "threshold": limit,
            "relabelled": float((label != bank.label).sum()),
        }
        further = len(bank) - count
        kept = torch.cat([kept, torch.ones(further, dtype=torch.bool)])
        score = torch.cat([score, score.max().expand(further)])
        return Selection.of(label, kept, stats, score)

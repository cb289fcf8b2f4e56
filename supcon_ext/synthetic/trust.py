"""Which training samples are believed, as an audit or a run's last selection left it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data_tools.npz import open_arrays, read_member
from data_tools.prepared import PreparedData
from data_tools.samples import IntArray
from data_tools.tables import read_table
from supcon_ext.meanings import Meaning, as_path, one_meaning
from supcon_ext.selectors.base import Role
from supcon_ext.training.checkpoint import LAST, load_checkpoint


def read_trust(place: str | Path, real: PreparedData) -> Tensor:
    """Trust of each training sample.

    Args:
        place: An audit's ``labels.csv``, or any table or ``.npz`` with ``index`` (the sample's
            place in the data set's training set, as it came) and ``trust``, or ``flagged``; or a
            finished run on the same data, whose last selection is taken: what it dropped is not
            trusted.
        real: The prepared data.

    Returns:
        ``(N,)`` float32 in [0, 1].

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither, of other data, of a run that is not finished or doubts nothing,
            or says nothing of some samples; or it could be a file and a run.
    """
    # the experiment builds synthetic samples, and so imports this module
    from supcon_ext.experiment.folder import run_meanings

    path = Path(place)
    if path.is_file():
        one_meaning(place, [Meaning("file", as_path(place), path), *run_meanings(place)])
    if path.is_file() or path.suffix.lower() in (".csv", ".tsv", ".jsonl", ".parquet", ".npz"):
        index, trust = _of_arrays(path) if path.suffix.lower() == ".npz" else _of_table(path)
        return _in_order(index, trust, real, path)
    return _of_run(place, real)


def _of_run(place: str | Path, real: PreparedData) -> Tensor:
    from supcon_ext.experiment.folder import find_run
    from supcon_ext.experiment.standing import CHECKPOINTS
    from supcon_ext.tracking.results import read_results

    folder = find_run(place)
    read_results(folder)  # tells of a run that is not finished
    checkpoint = load_checkpoint(folder / CHECKPOINTS / LAST)
    if checkpoint["labels_hash"] != real.fingerprint:
        raise ValueError(
            f"Expected a run on the data of this recipe, but {folder} was trained on other labels, "
            "samples or splits. Try: the same keys of `data`, or an audit's labels.csv"
        )
    samples, count = checkpoint["samples"], len(real.train)
    trust: Tensor = samples["trust"][:count] * (samples["role"][:count] != int(Role.DROPPED))
    if bool((trust == 1).all()):
        raise ValueError(
            f"Expected a run whose selector doubts some labels, but {folder} trusts all. "
            "Try: trust: null, or the labels.csv of supcon audit"
        )
    return trust


def _of_table(path: Path) -> tuple[IntArray, np.ndarray]:
    table = read_table(path, argument="trust")
    table.require("index")
    name = _named(path, list(table.columns))
    rows = np.arange(len(table))
    if "split" in table.columns:
        rows = np.flatnonzero(np.array(table.texts("split")) == "train")
    return _checked(path, table.numbers("index")[rows], _believed(name, table.numbers(name)[rows]))


def _of_arrays(path: Path) -> tuple[IntArray, np.ndarray]:
    archive = open_arrays(path)
    names = list(getattr(archive, "files", []))
    if "index" not in names:
        raise ValueError(
            f"Expected an array `index` in {path}, but got {', '.join(names) or 'none'}"
        )
    with archive:
        name = _named(path, names)
        arrays = [read_member(archive, part, path) for part in ("index", name)]
    for part, array in zip(("index", name), arrays, strict=True):
        if array.ndim != 1 or array.dtype.kind not in "biuf" or len(array) != len(arrays[0]):
            raise ValueError(
                f"Expected numbers (n,) in `{part}` of {path}, but got {array.dtype} {array.shape}."
            )
    index, told = (array.astype(np.float64) for array in arrays)
    return _checked(path, index, _believed(name, told))


def _named(path: Path, names: list[str]) -> str:
    """The column to believe: trust before an audit's flags."""
    for name in ("trust", "flagged"):
        if name in names:
            return name
    raise ValueError(
        f"Expected a column `trust` or `flagged` in {path}, but got {', '.join(names)}. "
        "Try: the labels.csv that supcon audit writes"
    )


def _believed(name: str, told: np.ndarray) -> np.ndarray:
    return 1 - told if name == "flagged" else told


def _checked(path: Path, index: np.ndarray, trust: np.ndarray) -> tuple[IntArray, np.ndarray]:
    whole = np.isfinite(index) & (index >= 0) & (index == np.rint(index))
    if not bool(whole.all()):
        wrong = index[~whole][0]
        raise ValueError(f"Expected whole numbers from 0 in `index` of {path}, but got {wrong:g}.")
    if len(np.unique(index)) < len(index):
        raise ValueError(f"Expected each index once in {path}, but one comes several times.")
    if not bool(((trust >= 0) & (trust <= 1)).all()):
        wrong = trust[~((trust >= 0) & (trust <= 1))][0]
        raise ValueError(f"Expected a trust in [0, 1] of each sample in {path}, but got {wrong:g}.")
    return index.astype(np.int64), trust


def _in_order(index: IntArray, trust: np.ndarray, real: PreparedData, path: Path) -> Tensor:
    order = np.argsort(index, kind="stable")
    place = np.searchsorted(index, real.origin, sorter=order).clip(max=max(len(index) - 1, 0))
    found = np.zeros(len(real.origin), dtype=bool)
    if len(index):
        found = index[order[place]] == real.origin
    if not bool(found.all()):
        missing = int(real.origin[~found][0])
        raise ValueError(
            f"Expected a row in {path} for each of {len(found)} training samples, but got none for "
            f"sample {missing}. Try: an audit of a run on the same data"
        )
    return torch.from_numpy(trust[order[place]].astype(np.float32))

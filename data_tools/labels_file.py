"""The labels of a made data set as a file, to be shared and read back."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.fingerprint import fingerprint, portable
from data_tools.npz import open_arrays, read_member
from data_tools.plain_text import BOM, read_text
from data_tools.samples import IntArray
from data_tools.table_formats import delimited_columns
from data_tools.tables import Table
from data_tools.whole_file import whole_file

_MARK = "# fingerprint: "
_COLUMNS = ("index", "given", "held_out", "true")
JUDGED = "judged"
"""Column, also of a manifest, that says which labels people have looked at."""
KEPT, RELABELLED = "kept", "relabelled"
"""What it says: the given label was kept, or another one was given; else it is empty."""
KEPT_APART = "kept_apart"
"""Setting: places of samples whose given label people kept, by the set, ``validation`` or ``test``,
that came apart from the training set."""


@dataclass(frozen=True)
class LabelTable:
    """Given labels, and what makes them sure to be the right ones.

    Attributes:
        index: ``(n,)`` int64 places in the data set as it came, ascending.
        given: ``(n,)`` int64 given labels.
        held_out: ``(n,)`` bool, whether the sample is held out for validation.
        truth: ``(n,)`` int64 true labels (-1 open-set), or None where they are not known.
        settings: What the labels were made with.
        fingerprint: SHA-256 over the index, the given labels, ``held_out`` and the settings.
        judged: ``(n,)`` text, what people said of each label; None where they said nothing.
    """

    index: IntArray
    given: IntArray
    held_out: npt.NDArray[np.bool_]
    truth: IntArray | None
    settings: Mapping[str, Any]
    fingerprint: str
    judged: npt.NDArray[np.str_] | None = None

    @classmethod
    def of(
        cls,
        index: IntArray,
        given: IntArray,
        held_out: npt.NDArray[np.bool_],
        truth: IntArray | None,
        settings: Mapping[str, Any],
        judged: npt.NDArray[np.str_] | None = None,
    ) -> LabelTable:
        """A table of these labels, sorted by index, with its fingerprint."""
        order = np.argsort(index)
        settings = portable(settings)
        index, given, held_out = index[order], given[order], held_out[order]
        mark = _fingerprint(index, given, held_out, settings)
        truth = None if truth is None else truth[order]
        judged = None if judged is None else judged[order]
        return cls(index, given, held_out, truth, settings, mark, judged)

    def verify(self, where: str) -> None:
        """Recompute the fingerprint.

        Raises:
            ValueError: It differs from the one recorded.
        """
        found = _fingerprint(self.index, self.given, self.held_out, self.settings)
        if found != self.fingerprint:
            raise ValueError(
                f"Expected labels with fingerprint {self.fingerprint[:12]} in {where}, but got "
                f"{found[:12]}: the file was changed. Try: export the labels again."
            )


def _fingerprint(
    index: IntArray, given: IntArray, held_out: npt.NDArray[np.bool_], settings: Mapping[str, Any]
) -> str:
    vectors = {"index": index, "given": given, "held_out": held_out}
    return fingerprint(vectors, settings)


def write_labels(path: str | Path, table: LabelTable) -> None:
    """Write labels as ``.npz`` or ``.csv`` (in a CSV file, the first two lines are comments).

    Raises:
        ValueError: The path ends otherwise.
    """
    columns: dict[str, Any] = {
        "index": table.index,
        "given": table.given,
        "held_out": table.held_out,
    }
    if table.truth is not None:
        columns["true"] = table.truth
    if table.judged is not None:
        columns[JUDGED] = table.judged
    settings = json.dumps(table.settings, sort_keys=True)
    if _suffix(path) == ".npz":
        with whole_file(path) as draft:
            np.savez_compressed(draft, fingerprint=table.fingerprint, settings=settings, **columns)
        return
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        file.write(f"{_MARK}{table.fingerprint}\n# settings: {settings}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        cells = [c if name == JUDGED else c.astype(int) for name, c in columns.items()]
        writer.writerows(zip(*cells, strict=True))


def holds_labels(path: str | Path) -> bool:
    """Whether a file was written by :func:`write_labels`."""
    if Path(path).suffix == ".npz":
        with open_arrays(Path(path)) as archive:
            return {"index", "given", "held_out", "fingerprint", "settings"} <= set(archive.files)
    if Path(path).suffix == ".csv":
        with open(path, "rb") as file:
            return file.readline().removeprefix(BOM).startswith(_MARK.encode())
    return False


def read_labels(path: str | Path) -> LabelTable:
    """Read labels and verify their fingerprint.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file was not written by :func:`write_labels`, or was changed since.
    """
    suffix = _suffix(path)
    if not holds_labels(path):
        raise ValueError(
            f"Expected labels exported by this package in {path}, but got another file."
        )
    columns: Mapping[str, Any]
    if suffix == ".npz":
        with open_arrays(Path(path)) as archive:
            columns = {name: read_member(archive, name, Path(path)) for name in archive.files}
        mark, settings = str(columns["fingerprint"]), str(columns["settings"])
        judged = columns.get(JUDGED)
    else:
        first, second, rest = [*read_text(Path(path)).split("\n", 2), "", ""][:3]
        mark, settings = first.removeprefix(_MARK).strip(), second.removeprefix("# settings: ")
        rows = Table(Path(path), *delimited_columns(Path(path), rest, before=2))
        columns = {name: rows.values(name) for name in rows.columns}
        judged = columns.get(JUDGED)
    columns = {name: values for name, values in columns.items() if name in _COLUMNS}
    wrong = [name for name in columns if columns[name].dtype.kind not in "iub"]
    missing = [name for name in ("index", "given", "held_out") if name not in columns]
    if wrong or missing:
        raise ValueError(
            f"Expected columns index, given and held_out of whole numbers in {path}, but "
            f"{', '.join(missing + wrong)} is none. Try: export the labels again."
        )
    table = LabelTable(
        index=columns["index"].astype(np.int64),
        given=columns["given"].astype(np.int64),
        held_out=columns["held_out"].astype(bool),
        truth=columns["true"].astype(np.int64) if "true" in columns else None,
        settings=_settings(settings, path),
        fingerprint=mark,
        judged=None if judged is None else judged.astype(str),
    )
    table.verify(str(path))
    return table


def _settings(text: str, path: str | Path) -> dict[str, Any]:
    try:
        settings = json.loads(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(
            f"Expected the settings of the labels in {path}, but they cannot be read. "
            "Try: export the labels again."
        )
    return settings


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix
    if suffix not in (".npz", ".csv"):
        raise ValueError(f"Expected a path that ends in .npz or .csv, but got {path}.")
    return suffix

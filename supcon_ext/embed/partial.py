"""Vectors as far as they are made, kept beside the file that they become."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.whole_file import write_whole
from supcon_ext.experiment.lock import lock

PARTIAL_END = ".part"
STATE = "state.json"
ROWS = "rows.bin"
SAVE_SECONDS = 1.0


class PartialVectors:
    """A folder that holds the first rows of an array that is not finished.

    What it says to be done is on the disk: rows are forced there before the state tells of them.
    A kill at any moment costs what was made since.

    Args:
        folder: It; owned by the caller, see :func:`partial_beside`.
        key: All that decides the rows; rows of another key are not gone on with.
        shape: Of one row.
        dtype: Of the numbers.

    Attributes:
        shape: Of one row.
        dtype: Of the numbers.
        done: Rows that are made.
        gone: Those of them that stand for a sample that could not be read.
        begun_anew: Whether rows of another key were thrown away.
    """

    def __init__(
        self, folder: Path, key: Mapping[str, Any], shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        self.folder = folder
        self._key = json.loads(json.dumps(key))
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._row_bytes = int(np.prod(shape)) * self.dtype.itemsize
        self._saved = time.monotonic()
        self.done, self.gone, self.begun_anew = self._kept()
        self._file = (folder / ROWS).open("r+b" if self.done else "wb")
        self._file.truncate(self.done * self._row_bytes)
        self._file.seek(0, os.SEEK_END)

    def _kept(self) -> tuple[int, list[int], bool]:
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            done, gone = int(state["done"]), [int(place) for place in state["gone"]]
            same = state["key"] == self._key
            whole = (self.folder / ROWS).stat().st_size >= done * self._row_bytes
        except (OSError, ValueError, KeyError, TypeError):
            return 0, [], False
        return (done, gone, False) if same and whole else (0, [], done > 0)

    def append(self, rows: npt.NDArray[Any], gone: Sequence[int]) -> None:
        """Take the next rows.

        Args:
            rows: ``(n, *shape)``.
            gone: Places among all rows of those that stand for a sample that could not be read.
        """
        self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).tobytes())
        self.done += len(rows)
        self.gone += gone
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Force the rows to the disk, and say so."""
        self._file.flush()
        os.fsync(self._file.fileno())
        state = {"key": self._key, "done": self.done, "gone": self.gone}
        write_whole(self.folder / STATE, json.dumps(state))
        self._saved = time.monotonic()

    def rows(self) -> npt.NDArray[Any]:
        """``(done, *shape)``, mapped from the disk."""
        self.save()
        return np.memmap(self.folder / ROWS, self.dtype, "r", shape=(self.done, *self.shape))

    def close(self) -> None:
        """Keep what is done for the next time."""
        self._file.close()


@contextmanager
def partial_beside(
    target: Path, key: Mapping[str, Any], shape: tuple[int, ...], dtype: npt.DTypeLike
) -> Iterator[PartialVectors]:
    """The unfinished rows of a file, in ``<file>.part``; removed when the block ends well.

    Args:
        target: The file that they become.
        key: See :class:`PartialVectors`.
        shape: See :class:`PartialVectors`.
        dtype: See :class:`PartialVectors`.

    Raises:
        CannotStart: Another process is making the same file.
    """
    folder = target.with_name(target.name + PARTIAL_END)
    folder.mkdir(exist_ok=True)
    with lock(folder):
        partial = PartialVectors(folder, key, shape, dtype)
        try:
            yield partial
        finally:
            partial.close()
        shutil.rmtree(folder, ignore_errors=True)

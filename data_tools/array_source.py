"""Named arrays of an ``.npz`` file or of a folder of ``.npy`` files, opened in one way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from data_tools.mapped_array import ArrayPlace, place_in_npy, place_in_npz
from data_tools.npz import open_arrays, read_member


class ArraySource(Protocol):
    """Arrays by name."""

    @property
    def path(self) -> Path:
        """The file or folder, for messages."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays."""
        ...

    def place(self, name: str) -> ArrayPlace:
        """Where an array's numbers lie, with their shape and type."""
        ...

    def read(self, name: str) -> npt.NDArray[Any]:
        """An array, read into memory."""
        ...


class _Npz:
    def __init__(self, path: Path, archive: Any) -> None:
        self.path = path
        self.names = tuple(archive.files)
        self._archive = archive

    def place(self, name: str) -> ArrayPlace:
        return place_in_npz(self.path, name)

    def read(self, name: str) -> npt.NDArray[Any]:
        return read_member(self._archive, name, self.path)


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = tuple(sorted(file.stem for file in path.glob("*.npy")))

    def place(self, name: str) -> ArrayPlace:
        return place_in_npy(self.path / f"{name}.npy")

    def read(self, name: str) -> npt.NDArray[Any]:
        made: npt.NDArray[Any] = open_arrays(self.path / f"{name}.npy")
        return made


@contextmanager
def open_source(path: Path) -> Iterator[ArraySource]:
    """Open a file or a folder of arrays.

    Raises:
        ValueError: It is neither.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    archive = open_arrays(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(
            f"Expected an .npz file with x_train and y_train, but {path} is one array. "
            "Try: the folder that holds x_train.npy and y_train.npy."
        )
    with archive:
        yield _Npz(path, archive)

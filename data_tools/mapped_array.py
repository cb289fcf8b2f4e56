"""Image arrays inside an ``.npz`` or ``.npy`` file, mapped from the disk where they lie."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import Depth
from data_tools.samples import ImageArray
from data_tools.stored_picture import depth_of


@dataclass(frozen=True)
class ArrayPlace:
    """Where an array's numbers lie in a file.

    Attributes:
        path: The file.
        offset: Bytes before the first number; None where the array is compressed.
        shape: The array's shape.
        dtype: Its type.
        fortran: Whether its first axis runs fastest.
    """

    path: Path
    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    def mapped(self) -> npt.NDArray[Any]:
        """The numbers, mapped from the disk; nobody can write to them.

        Raises:
            OSError: The file cannot be opened.
            ValueError: It is too short, or the array has no numbers.
        """
        return np.memmap(
            self.path,
            dtype=self.dtype,
            mode="r",
            offset=self.offset or 0,
            shape=self.shape,
            order="F" if self.fortran else "C",
        )


def place_in_npz(path: Path, name: str) -> ArrayPlace:
    """Find array ``name`` of an ``.npz`` file, reading only its headers.

    Raises:
        KeyError: The file holds no such array.
        ValueError: The member is no ``.npy`` array, or of a format version not known.
    """
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as member:
            shape, fortran, dtype = _header(member, f"`{name}` in {path}")
            header = member.tell()
    if info.compress_type != zipfile.ZIP_STORED:
        return ArrayPlace(path, None, shape, dtype, fortran)
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)  # zip's local header: 30 bytes, lengths at 26 and 28
        name_length = int.from_bytes(file.read(2), "little")
        extra_length = int.from_bytes(file.read(2), "little")
    offset = info.header_offset + 30 + name_length + extra_length + header
    return ArrayPlace(path, offset, shape, dtype, fortran)


def place_in_npy(path: Path) -> ArrayPlace:
    """The same of an ``.npy`` file.

    Raises:
        ValueError: It is none, or of a format version not known.
    """
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file, str(path))
        return ArrayPlace(path, file.tell(), shape, dtype, fortran)


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"Expected array format 1.0 or 2.0 of {where}, but got {version}.")


class MappedArray:
    """Images mapped from the disk; a pickled copy opens the file again, it does not carry them.

    Args:
        place: Where the ``(N, H, W)`` or ``(N, H, W, C)`` array lies.
    """

    def __init__(self, place: ArrayPlace) -> None:
        self.place = place
        self._depth = depth_of(place.dtype)
        self._pixels = place.mapped()

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, W, C)``."""
        shape = self.place.shape
        return shape if len(shape) == 4 else (*shape, 1)

    @property
    def dtype(self) -> Depth:
        """Type of the images as they are read."""
        return self._depth

    def __len__(self) -> int:
        return self.place.shape[0]

    def __getitem__(self, index: int) -> ImageArray:
        image = np.array(self._pixels[index], dtype=self._depth)
        return image if image.ndim == 3 else image[:, :, None]

    @property
    def pixels(self) -> npt.NDArray[Any]:
        """All images as they lie in the file, mapped."""
        return self._pixels

    def read(self) -> npt.NDArray[Any]:
        """``(N, H, W, C)`` all images, in memory."""
        return np.array(self._pixels, dtype=self._depth).reshape(self.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self.place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.place = state["place"]
        self._depth = depth_of(self.place.dtype)
        self._pixels = self.place.mapped()

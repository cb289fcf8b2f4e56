"""Image arrays inside an ``.npz`` file, mapped from the disk where they lie."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.samples import ImageArray


@dataclass(frozen=True)
class Place:
    """Where an array's numbers lie in a file.

    Attributes:
        offset: Bytes before the first number; None where the array is compressed.
        shape: The array's shape.
        dtype: Its type.
        fortran: Whether its first axis runs fastest.
    """

    offset: int | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


def locate(path: Path, name: str) -> Place:
    """Find array ``name`` of an ``.npz`` file, reading only its headers.

    Raises:
        KeyError: The file holds no such array.
        ValueError: The member is no ``.npy`` array, or of a format version not known.
    """
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
            elif version == (2, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(member)
            else:
                raise ValueError(
                    f"Expected array format 1.0 or 2.0 of `{name}` in {path}, but got {version}."
                )
            header = member.tell()
    if info.compress_type != zipfile.ZIP_STORED:
        return Place(None, shape, dtype, fortran)
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)  # zip's local header: 30 bytes, lengths at 26 and 28
        name_length = int.from_bytes(file.read(2), "little")
        extra_length = int.from_bytes(file.read(2), "little")
    offset = info.header_offset + 30 + name_length + extra_length + header
    return Place(offset, shape, dtype, fortran)


class MappedArray:
    """Images mapped from the disk; a pickled copy opens the file again, it does not carry them.

    Args:
        path: The file.
        place: Where the ``(N, H, W)`` or ``(N, H, W, C)`` uint8 array lies in it.
    """

    def __init__(self, path: Path, place: Place) -> None:
        self.path = path
        self.place = place
        self._pixels = self._map()

    def _map(self) -> npt.NDArray[np.uint8]:
        place = self.place
        return np.memmap(
            self.path,
            dtype=np.uint8,
            mode="r",
            offset=place.offset or 0,
            shape=place.shape,
            order="F" if place.fortran else "C",
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, W, C)``."""
        shape = self.place.shape
        return shape if len(shape) == 4 else (*shape, 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return self.place.dtype

    def __len__(self) -> int:
        return self.place.shape[0]

    def __getitem__(self, index: int) -> ImageArray:
        image = np.array(self._pixels[index])
        return image if image.ndim == 3 else image[:, :, None]

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "place": self.place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.place = state["path"], state["place"]
        self._pixels = self._map()

"""Pictures and vectors as people have them, made what an encoder was trained on.

A picture is a path, or what :mod:`supcon_ext.use.picture` takes. Files become grey or coloured, or
are read as they are stored, by the rules of data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from data_tools.image_files import ImageFiles, list_images, reason_of
from data_tools.printable import printable
from data_tools.samples import ImageArray, SampleSet
from data_tools.unlabelled import unlabelled
from data_tools.vector_checks import check_layout, check_numbers
from data_tools.vector_file import read_vectors
from supcon_ext.experiment.preprocessing import Preprocessing, advice, fitting_set, told
from supcon_ext.use.picture import AS_PICTURES, array_of, as_picture


def samples_of(given: Any, wanted: Preprocessing) -> SampleSet:
    """Whatever a caller gives, as samples for an encoder; files are read when asked for.

    Args:
        given: One picture or vector, or several: a list, an array ``(N, H, W, C)`` or
            ``(N, H, W)``, a tensor ``(N, C, H, W)``, a folder, a :class:`SampleSet`; vectors as an
            array ``(N, F)`` or a file of ``supcon embed``.
        wanted: What the encoder was trained on.

    Raises:
        ValueError: It is none of these, or does not fit the encoder.
        FileNotFoundError: A file is not there.
    """
    if isinstance(given, SampleSet):
        return fitting_set(given, wanted)
    samples = _vectors(given, wanted) if wanted.kind == "vector" else _pictures(given, wanted)
    return unlabelled(samples, wanted.spec)


class GivenPictures:
    """Pictures of any of the kinds that people have, each made ready when asked for.

    Args:
        items: N of them.
        wanted: What the encoder was trained on.
    """

    def __init__(self, items: Sequence[Any], wanted: Preprocessing) -> None:
        self.items = items
        self.wanted = wanted

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> ImageArray:
        """Picture ``index``, ``(H, W, C)`` of the encoder's channels and type.

        Raises:
            ValueError: It cannot be read, or does not fit; the message says which it is.
        """
        item = self.items[index]
        if isinstance(item, (str, Path)):
            files = ImageFiles([item], self.wanted.mode)
            if self.wanted.mode == "stored":
                files.expected = self.wanted.channels, self.wanted.dtype
            return files[0]
        try:
            return as_picture(item, self.wanted)
        except Exception as error:  # a damaged picture makes decoders raise nearly anything
            raise ValueError(
                f"Expected {told(self.wanted.spec)}, but for picture {index} {reason_of(error)}"
            ) from error


def _pictures(given: Any, wanted: Preprocessing) -> GivenPictures:
    """The pictures that were given, by the way in which they were."""
    from PIL import Image

    if isinstance(given, (str, Path)) and str(given):
        return GivenPictures(_files(Path(given), wanted), wanted)
    if isinstance(given, (bytes, bytearray, memoryview, Image.Image)):
        return GivenPictures([given], wanted)
    if isinstance(given, (np.ndarray, torch.Tensor)):
        pixels = array_of(given, wanted)
        stack_of_grey = wanted.channels == 1 and pixels.shape[-1:] not in [
            (n,) for n in AS_PICTURES
        ]
        several = pixels.ndim == 4 or (pixels.ndim == 3 and stack_of_grey)
        if not several and pixels.ndim not in (2, 3):
            raise ValueError(
                f"Expected {told(wanted.spec)}, but got an array of shape {pixels.shape}. "
                "Try: (number, height, width, channels)"
            )
        return GivenPictures(list(pixels) if several else [pixels], wanted)
    if not isinstance(given, Sequence) or not len(given):
        what = "none" if isinstance(given, Sequence) else type(given).__name__
        raise ValueError(
            f"Expected {told(wanted.spec)}, but got {what}. "
            "Try: a path, a folder, a Pillow image, an array, or a list of them"
        )
    for item in given:
        if isinstance(item, (str, Path)):
            _expect_file(Path(item))
    return GivenPictures(given, wanted)


def _files(path: Path, wanted: Preprocessing) -> list[Path]:
    if not path.is_dir():
        _expect_file(path)
        return [path]
    found, _ = list_images(path, wanted.mode)
    if not found:
        raise FileNotFoundError(f"Expected pictures in {printable(path)}, but found none.")
    return found


def _expect_file(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"Expected a picture in {printable(path)}, but there is no file.")


def _vectors(given: Any, wanted: Preprocessing) -> npt.NDArray[Any]:
    if isinstance(given, (str, Path)):
        rows: npt.NDArray[Any] = read_vectors(given).vectors
    else:
        rows = np.asarray(given.detach().cpu() if isinstance(given, torch.Tensor) else given)
        rows = rows[None] if rows.ndim == 1 else rows
        if rows.dtype.kind == "f" and rows.ndim in (2, 3) and rows.size:
            check_numbers(rows, "the vectors")
    if rows.dtype.kind != "f" or rows.ndim not in (2, 3) or rows.shape[-1] != wanted.channels:
        raise ValueError(
            f"Expected {told(wanted.spec)}, as the encoder was trained on, but got an array of "
            f"{rows.dtype} of shape {rows.shape}. Try: {advice(wanted)}"
        )
    check_layout(rows.shape, rows.dtype, "the vectors")
    return rows

"""TIFF files of any channels: read by tifffile, and by OpenCV where a codec is missing there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MIN_IS_WHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ORIENTATION = 274
_UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """What a TIFF stores, by its directories.

    Attributes:
        channels: Samples of a pixel, or grey pages.
        dtype: Type of the numbers.
        height: In pixels, as stored.
        width: In pixels, as stored.
        end: Bytes that the file must have.
        frames: Whether there are pages that are not read.
        turned: Whether the picture is to be turned upright.
    """

    channels: int
    dtype: np.dtype[Any]
    height: int
    width: int
    end: int
    frames: bool
    turned: bool


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins so is a TIFF."""
    return head[:4] in _MAGIC


def tiff_layout(file: IO[bytes]) -> TiffLayout:
    """What a TIFF stores.

    Raises:
        ValueError: It has no picture, or one that is refused.
    """
    with _opened(file) as tiff:
        pages, frames = _read_pages(tiff)
        first = pages[0]
        samples = first.samplesperpixel if len(pages) == 1 else len(pages)
        extents = [
            int(start) + int(length)
            for page in pages
            for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
        dtype = np.dtype(np.uint8) if first.dtype == np.bool_ else np.dtype(first.dtype)
        return TiffLayout(
            channels=3 if int(first.photometric) == _PALETTE else int(samples),
            dtype=dtype,
            height=int(first.imagelength),
            width=int(first.imagewidth),
            end=max(extents, default=0),
            frames=frames,
            turned=_orientation(first) != _UPRIGHT,
        )


def tiff_pixels(file: IO[bytes]) -> npt.NDArray[Any]:
    """The picture of a TIFF, ``(H, W, C)``, turned upright.

    Raises:
        ValueError: It cannot be decoded.
    """
    with _opened(file) as tiff:
        pages, _ = _read_pages(tiff)
        first = pages[0]
        if int(first.photometric) == _PALETTE:
            return _by_pillow(file)
        if all(_decodes_alone(page) for page in pages):
            planes = [_last_axis(page.asarray(), page) for page in pages]
            pixels = np.concatenate(planes, axis=2)
            if int(first.photometric) == _MIN_IS_WHITE and pixels.dtype.kind in "bu":
                pixels = ~pixels
            if pixels.dtype == np.bool_:
                pixels = pixels.astype(np.uint8) * 255
        else:
            pixels = _by_opencv(file, pages)
        return _upright(pixels, _orientation(first))


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[Any]:
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise ValueError("reading its channels needs tifffile: pip install tifffile") from error
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        if not len(tiff.pages):
            raise ValueError("it is a TIFF without a picture")
        yield tiff


def _read_pages(tiff: Any) -> tuple[list[Any], bool]:
    """The pages that are one picture, and whether there are others."""
    pages = [page.aspage() for page in tiff.pages]
    first = pages[0]
    alike = all(
        page.samplesperpixel == 1
        and (page.imagelength, page.imagewidth, page.dtype, int(page.photometric))
        == (first.imagelength, first.imagewidth, first.dtype, int(first.photometric))
        and int(page.photometric) != _PALETTE
        for page in pages
    )
    if first.dtype is None:
        raise ValueError("its numbers are of no type that is known")
    return (pages, False) if alike else (pages[:1], len(pages) > 1)


def _decodes_alone(page: Any) -> bool:
    """Whether tifffile has what it takes; some codecs are those of another package."""
    import tifffile

    if int(page.compression) == 1:
        return True
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
        if int(page.predictor) != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except (KeyError, ValueError, ImportError):
        return False
    return True


def _last_axis(plane: npt.NDArray[Any], page: Any) -> npt.NDArray[Any]:
    if plane.ndim == 2:
        return plane[:, :, None]
    separate = int(page.planarconfig) == 2
    return np.moveaxis(plane, 0, 2) if separate else plane


def _by_opencv(file: IO[bytes], pages: list[Any]) -> npt.NDArray[Any]:
    first = pages[0]
    colour = first.samplesperpixel in (3, 4) and int(first.photometric) in (_RGB, _YCBCR)
    known = first.dtype in (np.uint8, np.uint16) or (first.dtype == np.float32 and not colour)
    contiguous = int(first.planarconfig) == 1
    right = _orientation(first) == _UPRIGHT and known and contiguous
    if not right or not (colour or first.samplesperpixel == 1):
        name = getattr(first.compression, "name", first.compression)
        raise ValueError(f"its compression, {name}, needs a codec: pip install imagecodecs")
    import cv2

    file.seek(0)
    raw = np.frombuffer(file.read(), dtype=np.uint8)
    log = cv2.utils.logging
    told = log.setLogLevel(log.LOG_LEVEL_SILENT)  # the error below says it
    try:
        done, decoded = cv2.imdecodemulti(raw, cv2.IMREAD_UNCHANGED)
    finally:
        log.setLogLevel(told)
    planes = [np.asarray(plane) for plane in decoded[: len(pages)]] if done else []
    if len(planes) != len(pages) or planes[0].dtype != first.dtype:
        raise ValueError("its pixels cannot be decoded")
    if not colour:
        return np.stack(planes, axis=2)
    return planes[0][:, :, [2, 1, 0, 3][: first.samplesperpixel]]


def _by_pillow(file: IO[bytes]) -> npt.NDArray[Any]:
    from PIL import Image, ImageOps

    file.seek(0)
    with Image.open(file) as opened:
        upright: Image.Image = ImageOps.exif_transpose(opened)
        return np.asarray(upright.convert("RGB"))


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    value = _UPRIGHT if tag is None else int(tag.value)
    return value if 1 <= value <= 8 else _UPRIGHT


def _upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Rows and columns as the orientation says they lie (TIFF 6.0, page 36)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
        orientation = {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    return pixels

"""Pictures as their files store them: any channels, 8 or 16 bits, or floats (``mode: stored``).

* Every channel is kept, alpha too. A palette and the CMYK of a JPEG become RGB, bilevel grey.
* Grey pages of a TIFF, all of one size and type, are the channels of one picture. Of other files
  with several frames the first is read.
* ``.npy`` files hold ``(H, W)`` or ``(H, W, C)`` arrays. Of floats, any width becomes float32.
* Signed integers, 32-bit integers, truth values, complex numbers and objects are refused, and so
  are more than 16 channels and floats that are not finite.
* What the numbers mean, the data set's scale says: see :class:`~data_tools.input_spec.InputSpec`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import MOST_CHANNELS, SCALES, Depth
from data_tools.samples import ImageArray
from data_tools.stored_tiff import is_tiff, tiff_layout, tiff_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

HEAD = 32  # bytes that tell formats and depths apart
NPY = b"\x93NUMPY"  # how an .npy file begins
_CHANNELS = {"L": 1, "1": 1, "I;16": 1, "I;16B": 1, "I": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_PNG_DEPTH, _PNG_COLOUR, _PNG_GREY_ALPHA = 24, 25, 4  # places in the header; a colour type


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file stores, by its header.

    Attributes:
        format: The format's name.
        channels: Channels of the picture.
        dtype: Type of its numbers, once read.
        height: In pixels, as stored.
        width: In pixels, as stored.
        end: Bytes that the file must have at least; 0 where the header does not say.
        frames: Whether it has frames that are not read.
        turned: Whether it is to be turned upright.
    """

    format: str
    channels: int
    dtype: Depth
    height: int
    width: int
    end: int = 0
    frames: bool = False
    turned: bool = False

    @property
    def words(self) -> str:
        """Type and channels, as a reader says them."""
        return f"{self.dtype}, {self.channels} channel{'s' * (self.channels != 1)}"


def layout_of(file: IO[bytes]) -> Layout:
    """What a file stores, by its header alone.

    Raises:
        ValueError: It stores what is refused.
        Exception: Whatever a decoder raises for damaged data.
    """
    head = _head(file)
    if head.startswith(NPY):
        shape, dtype, start = _npy_header(file)
        height, width, channels = shape if len(shape) == 3 else (*shape, 1)
        end = start + int(np.prod(shape)) * dtype.itemsize
        return _counted(Layout("NPY", channels, depth_of(dtype), height, width, end))
    if is_tiff(head):
        found = tiff_layout(file)
        layout = Layout(
            "TIFF",
            found.channels,
            depth_of(found.dtype),
            found.height,
            found.width,
            found.end,
            found.frames,
            found.turned,
        )
        return _counted(layout)
    from PIL import Image

    with Image.open(file) as opened:
        return opened_layout(opened, head)


def opened_layout(opened: Image, head: bytes) -> Layout:
    """The same of a file that Pillow has opened, which begins with ``head``."""
    channels, dtype = _CHANNELS.get(opened.mode, 3), "uint8"
    if opened.mode.startswith("I") or _is_deep_png(head):
        dtype = "uint16"
    _refuse(opened)
    return Layout(opened.format or "", channels, cast(Depth, dtype), opened.height, opened.width)


def stored_pixels(file: IO[bytes]) -> ImageArray:
    """Read a picture: ``(H, W, C)`` uint8, uint16 or float32, turned upright.

    Raises:
        ValueError: It stores what is refused, or floats that are not finite.
        Exception: Whatever a decoder raises for damaged data.
    """
    head = _head(file)
    if head.startswith(NPY):
        depth_of(_npy_header(file)[1])
        file.seek(0)
        pixels = np.load(file, allow_pickle=False)
    elif is_tiff(head):
        pixels = tiff_pixels(file)
    else:
        pixels = _decoded(file, head)
    dtype = depth_of(pixels.dtype)
    made: ImageArray = np.ascontiguousarray(pixels, dtype=dtype)
    if dtype == "float32" and not np.isfinite(made).all():
        raise ValueError("its pixels are not all finite numbers")
    return made if made.ndim == 3 else made[:, :, None]


def depth_of(dtype: np.dtype[Any]) -> Depth:
    """The type that numbers of another have once they are read.

    Raises:
        ValueError: It is one that no picture has.
    """
    if dtype.kind == "f":
        return "float32"
    name = dtype.newbyteorder("=").name
    if name not in SCALES:
        raise ValueError(f"its numbers are {name}, not uint8, uint16 or floats")
    return name


def _head(file: IO[bytes]) -> bytes:
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return head


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if len(shape) not in (2, 3) or 0 in shape:
        raise ValueError(f"its array has the shape {shape}, not (H, W) or (H, W, C)")
    return shape, dtype, file.tell()


def _counted(layout: Layout) -> Layout:
    if not 1 <= layout.channels <= MOST_CHANNELS:
        raise ValueError(f"it has {layout.channels} channels, not 1 to {MOST_CHANNELS}")
    return layout


def _is_deep_png(head: bytes) -> bool:
    return head.startswith(b"\x89PNG") and head[_PNG_DEPTH] == 16


def _refuse(opened: Image) -> None:
    """Refuse what Pillow would bring to 8 bits without a word."""
    if opened.mode == "F" or (opened.mode == "I" and opened.format not in ("PNG", "PPM")):
        raise ValueError(f"its pixels are {opened.mode} in {opened.format}")
    tiles: list[Any] = getattr(opened, "tile", [])
    if opened.format == "PPM" and opened.mode == "RGB" and tiles:
        arguments = tiles[0][3]
        if isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255:
            raise ValueError("it is a PPM of 16 bits and three channels; save it as PNG or TIFF")


def _decoded(file: IO[bytes], head: bytes) -> npt.NDArray[Any]:
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        layout = opened_layout(opened, head)
        if layout.dtype == "uint16" and layout.channels > 1:
            return _deep_png(file, head[_PNG_COLOUR] == _PNG_GREY_ALPHA, opened)
        picture: Image.Image = ImageOps.exif_transpose(opened)
        if layout.dtype == "uint16":
            return np.asarray(picture).astype(np.uint16)
        if picture.mode == "1":
            picture = picture.convert("L")
        elif picture.mode not in _CHANNELS:
            if picture.mode == "P" and "transparency" in picture.info:
                picture = picture.convert("RGBA")
            picture = picture.convert("RGB")
        return np.asarray(picture)


def _deep_png(file: IO[bytes], grey: bool, opened: Image) -> npt.NDArray[Any]:
    """16 bits and several channels, which Pillow would cut to 8."""
    import cv2

    opened.load()  # finds damage that OpenCV would pass over
    file.seek(0)
    raw = np.frombuffer(file.read(), dtype=np.uint8)
    pixels: npt.NDArray[Any] | None = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("its 16-bit pixels cannot be decoded")
    if grey:
        return pixels[:, :, [0, 3]]
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return pixels[:, :, order]

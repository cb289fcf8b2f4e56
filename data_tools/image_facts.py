"""What can be known of one image file without decoding it, and whether it is bad."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from data_tools.image_files import reason_of
from data_tools.picture import Mode, pixels_of, refuse_pixel_type
from data_tools.pixel_digest import digest_of, flat
from data_tools.samples import ImageArray
from data_tools.stored_picture import NPY, Layout, layout_of, stored_pixels
from data_tools.stored_tiff import is_tiff

if TYPE_CHECKING:
    from PIL.Image import Image

ENDS = 4096
"""Bytes at either end of a file that are read whatever its size."""

MOST_PIXELS_A_BYTE = 8 * 1040  # deflate makes 1,032 bytes of one at most, a byte 8 pixels at most
UPRIGHT = 1
_ORIENTATION = 0x0112
_TIFF_OFFSETS_AND_LENGTHS = ((273, 279), (324, 325))  # of strips, and of tiles


@dataclass(frozen=True, slots=True)
class Facts:
    """One file as it was when it was looked at. Plain values, so that they can be kept.

    Attributes:
        size: In bytes.
        time: Of the last change, in nanoseconds.
        reason: Why the file is bad; empty if it is not.
        decoded: Whether all of it was decoded to find out.
        format: The format's name, ``JPEG``; empty if it is not known.
        pixels: Pillow's name of the type of its pixels, ``RGB`` or ``I;16``; read as stored, their
            type and channels.
        width: In pixels, as stored.
        height: In pixels, as stored.
        turned: Whether its EXIF orientation is another than upright.
        frames: Whether it has more than one.
        channels: Read as stored, its channels; else 0.
        depth: Read as stored, the type of its numbers; else empty.
        low: The lowest of its floats, if it stores floats.
        high: The highest.
        ends: Hash of the bytes at either end, with the size.
        whole: Hash of the whole file where that was asked for; else empty.
        digest: Of its pixels as they are read, where it was decoded; else empty.
        flat: ``black`` or ``constant`` where it was decoded and shows one colour; else empty.
        lasting: Whether only a change of the file can change what is said here.
    """

    size: int = -1
    time: int = -1
    reason: str = ""
    decoded: bool = False
    format: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    turned: bool = False
    frames: bool = False
    channels: int = 0
    depth: str = ""
    low: float = 0.0
    high: float = 0.0
    ends: str = ""
    whole: str = ""
    digest: str = ""
    flat: str = ""
    lasting: bool = True

    @property
    def content(self) -> str:
        """Equal for two files exactly when what is known of their contents is."""
        return self.whole or self.ends


def look(path: str, mode: Mode, decode: bool, known: Facts | None = None) -> Facts:
    """Look at one file: its header and its end, and all of it where these leave a doubt.

    Truncated files are found by the end mark of their format or by the lengths in their header.
    Formats that have neither are decoded.

    Args:
        path: The file.
        mode: How its pixels will be read.
        decode: Decode it whatever its header says.
        known: What was known before; given back if the file has not changed since.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        broken = os.path.islink(path) and isinstance(error, FileNotFoundError)
        return Facts(
            reason="it is a link to nothing" if broken else reason_of(error), lasting=False
        )
    size, time = status.st_size, status.st_mtime_ns
    if known is not None and (known.size, known.time) == (size, time):
        if known.reason or known.decoded or not decode:
            return known
    if stat.S_ISDIR(status.st_mode):
        return Facts(size, time, "it is a folder", lasting=False)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        return Facts(size, time, "it is no regular file", lasting=False)
    if size == 0:
        return Facts(size, time, "it is empty")
    found: dict[str, Any] = {}
    try:
        with open(path, "rb") as file:
            _look_into(file, size, mode, decode, found)
    except Exception as error:  # a damaged file makes decoders raise nearly anything
        passing = isinstance(error, MemoryError) or getattr(error, "errno", None) is not None
        found |= {"reason": reason_of(error), "lasting": not passing}
    return Facts(size, time, **found)


def _look_into(file: IO[bytes], size: int, mode: Mode, decode: bool, found: dict[str, Any]) -> None:
    """Fill in what is found, as far as it goes."""
    from PIL import Image, UnidentifiedImageError

    head, tail = _both_ends(file, size)
    found["ends"] = _hash_ends(size, head, tail)
    file.seek(0)
    if mode == "stored":
        layout = layout_of(file)
        found |= {"channels": layout.channels, "depth": layout.dtype}
        if layout.format in ("NPY", "TIFF"):
            _look_into_numbers(file, layout, size, decode, found)
            return
        file.seek(0)
    try:
        image = Image.open(file)
    except UnidentifiedImageError as error:
        if is_tiff(head) or head.startswith(NPY):
            raise ValueError(f"its kind of pixels is read by `mode: stored`, not {mode}") from error
        raise
    with image as opened:
        read = file.tell()
        found |= {
            "format": opened.format or "",
            "pixels": opened.mode,
            "width": opened.width,
            "height": opened.height,
        }
        if mode == "stored":
            found["pixels"] = layout.words
        else:
            refuse_pixel_type(opened, mode)
        if opened.format == "PNG" and opened.width * opened.height > size * MOST_PIXELS_A_BYTE:
            raise ValueError(
                f"its header promises {opened.width} x {opened.height} pixels, more than its "
                f"{size} bytes can hold"
            )
        after = tail[max(read - (size - len(tail)), 0) :]
        doubtful = opened.mode == "F" or _may_be_cut(opened, size, head, after)
        found["turned"] = _is_turned(opened)
        found["frames"] = bool(getattr(opened, "is_animated", False))
        if decode or doubtful:
            pixels = stored_pixels(file) if mode == "stored" else pixels_of(opened, mode)
            found |= _decoded(pixels)


def _both_ends(file: IO[bytes], size: int) -> tuple[bytes, bytes]:
    head = file.read(ENDS)
    file.seek(max(size - ENDS, 0))
    return head, file.read(ENDS)


def _hash_ends(size: int, head: bytes, tail: bytes) -> str:
    return hashlib.blake2b(b"%d:" % size + head + tail, digest_size=16).hexdigest()


def hash_ends(file: IO[bytes]) -> str:
    """Hash of the bytes at either end of an opened file, with its size."""
    size = os.fstat(file.fileno()).st_size
    return _hash_ends(size, *_both_ends(file, size))


def _look_into_numbers(
    file: IO[bytes], layout: Layout, size: int, decode: bool, found: dict[str, Any]
) -> None:
    """The same of files that Pillow does not read; floats are decoded, for their range."""
    found |= {
        "format": layout.format,
        "pixels": layout.words,
        "width": layout.width,
        "height": layout.height,
        "turned": layout.turned,
        "frames": layout.frames,
    }
    if layout.end > size:
        raise ValueError("it ends before its pixels do")
    if decode or layout.dtype == "float32":
        pixels = stored_pixels(file)
        found |= _decoded(pixels)
        if layout.dtype == "float32":
            found |= {"low": float(pixels.min()), "high": float(pixels.max())}


def _decoded(pixels: ImageArray) -> dict[str, Any]:
    return {"decoded": True, "digest": digest_of(pixels), "flat": flat(pixels)}


def _may_be_cut(opened: Any, size: int, head: bytes, after_header: bytes) -> bool:
    """Whether a file may end too early; False only if it surely does not."""
    if opened.format in ("JPEG", "MPO"):
        return b"\xff\xd9" not in after_header  # which coded pixels cannot hold
    if opened.format == "PNG":
        return b"IEND" not in after_header
    if opened.format == "GIF":
        return not after_header.rstrip(b"\0").endswith(b";")
    if opened.format == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 > size
    if opened.format == "TIFF":
        for offsets, lengths in _TIFF_OFFSETS_AND_LENGTHS:
            if offsets in opened.tag_v2 and lengths in opened.tag_v2:
                places = zip(opened.tag_v2[offsets], opened.tag_v2[lengths], strict=True)
                return any(int(place) + int(length) > size for place, length in places)
    return True


def _is_turned(opened: Image) -> bool:
    if opened.format == "PNG" and "exif" not in opened.info:
        return False  # asked for it, Pillow would decode the file to look behind the pixels
    return opened.getexif().get(_ORIENTATION, UPRIGHT) in range(2, 9)


def hash_whole(path: str) -> str:
    """Hash of a whole file; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""

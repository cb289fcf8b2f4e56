"""Images that stay in their files until somebody asks for one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from data_tools.bad_image import BadImageError, GoneImageError
from data_tools.input_spec import SCALES, Depth, InputSpec
from data_tools.picture import Mode, pixels_of
from data_tools.printable import printable
from data_tools.samples import ImageArray
from data_tools.stored_picture import Layout, layout_of, stored_pixels

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
ARRAYS = frozenset({".npy"})
"""Suffixes of pictures that ``mode: stored`` alone reads."""

TOO_LARGE = "it is too large to be opened safely"


class ImageFiles:
    """Image files by index: each read, decoded and turned upright when asked for.

    How pictures become 8-bit pixels is said in :mod:`data_tools.picture`, and how they are read as
    they are stored in :mod:`data_tools.stored_picture`.

    Args:
        paths: The files.
        mode: ``"rgb"`` gives ``(H, W, 3)`` and ``"grey"`` ``(H, W, 1)`` uint8; ``"stored"`` gives
            all channels, in the type that the files have.
        inside: Folder that every file must lie in once links are followed; None for anywhere. It
            is looked at where the files are checked, see :mod:`data_tools.source_check`.
        scale: The stored value that stands for 1; None is the largest of an integer type, and 1 of
            floats.

    Attributes:
        expected: Channels and type that all files have, once they were checked; for ``stored``.
        skip_bad: Whether a bad image raises :class:`~data_tools.bad_image.GoneImageError`, which
            readers skip, or :class:`~data_tools.bad_image.BadImageError`, which ends them.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        mode: Mode = "rgb",
        inside: str | Path | None = None,
        scale: float | None = None,
    ) -> None:
        if scale is not None and mode != "stored":
            raise ValueError(
                f"Expected no `scale` with mode {mode}, whose pixels are 8 bits, but got {scale:g}."
                " Try: `mode: stored`, which keeps the stored numbers."
            )
        self.paths = [str(path) for path in paths]
        self.mode: Mode = mode
        self.inside = None if inside is None else str(inside)
        self.scale = scale
        self.expected: tuple[int, Depth] | None = None
        self.skip_bad = False

    def spec(self, flips: bool = True) -> InputSpec:
        """What the pictures are, as they are read; before the check, as the first of them is."""
        channels, dtype = self.expected or self._first()
        scale = SCALES[dtype] if self.scale is None else float(self.scale)
        return InputSpec("image", channels, dtype, None, scale, flips)

    def _first(self) -> tuple[int, Depth]:
        if self.mode == "stored":
            for path in self.paths:
                try:
                    layout = read_layout(path)
                except Exception:  # the check of the files tells of it
                    continue
                return layout.channels, layout.dtype
        return (1 if self.mode == "grey" else 3), "uint8"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> ImageArray:
        """Image ``index``.

        Raises:
            BadImageError: The file cannot be read as an image. The message names it.
        """
        from PIL import Image

        path = self.paths[index]
        try:
            if self.mode == "stored":
                return self._stored(path)
            with Image.open(path) as opened:
                return pixels_of(opened, self.mode)
        except Exception as error:  # a damaged file makes decoders raise nearly anything
            message = (
                f"Expected a readable image in {printable(path)}, but got: {reason_of(error)}. "
                "Try: mend the file, or take it out of the data set."
            )
            if self.skip_bad:
                raise GoneImageError(message, *(self.expected or self._first())) from error
            raise BadImageError(message) from error

    def _stored(self, path: str) -> ImageArray:
        with open(path, "rb") as file:
            pixels = stored_pixels(file)
        found = pixels.shape[2], str(pixels.dtype)
        if self.expected is not None and found != self.expected:
            raise ValueError(disagreement(found, self.expected))
        return pixels


def disagreement(found: tuple[int, str], expected: tuple[int, str]) -> str:
    """That a picture differs from the others of its set, in channels or in type."""
    (channels, dtype), (others, usual) = found, expected
    return f"it has {channels} channels of {dtype}, and the others {others} of {usual}"


def read_layout(path: str) -> Layout:
    """What one file stores, by its header."""
    with open(path, "rb") as file:
        return layout_of(file)


def reason_of(error: Exception) -> str:
    """Why a file could not be read, in a few words that do not repeat its name."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "it is no image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"{TOO_LARGE} ({error})"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return printable(error) or type(error).__name__


def list_images(folder: Path, mode: Mode = "rgb") -> tuple[list[Path], list[Path]]:
    """Every image file below a folder, sorted, and the files that are no images, sorted too.

    What is called like an image and is none, a folder say, is among the images: whoever checks
    them will tell.

    Raises:
        OSError: A folder below cannot be listed.
    """
    suffixes = suffixes_of(mode)
    found: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        pretenders = [name for name in folders if suffix_of(name) in suffixes]
        folders[:] = [name for name in folders if suffix_of(name) not in suffixes]
        for name in [*names, *pretenders]:
            (found if suffix_of(name) in suffixes else others).append(Path(parent, name))
    return sorted(found), sorted(others)


def suffixes_of(mode: Mode) -> frozenset[str]:
    """Suffixes of the files that a mode reads, in lower case."""
    return SUFFIXES | ARRAYS if mode == "stored" else SUFFIXES


def suffix_of(name: str) -> str:
    """The suffix of a file's name, in lower case."""
    return os.path.splitext(name)[1].lower()


def require_files(paths: Sequence[Path], listed_in: Path) -> None:
    """Check that every file exists, listing each folder once.

    Args:
        paths: The files.
        listed_in: Where they were named, for the message.

    Raises:
        FileNotFoundError: Some do not exist. The message counts them and names the first three.
    """
    folders: dict[Path, frozenset[str]] = {}
    missing = []
    for path in paths:
        names = folders.get(path.parent)
        if names is None:
            there = path.parent.is_dir()
            names = folders[path.parent] = frozenset(os.listdir(path.parent) if there else ())
        if path.name not in names:
            missing.append(printable(path))
    if missing:
        raise FileNotFoundError(
            f"Expected {len(paths)} image files named in {listed_in}, but {len(missing)} do not "
            f"exist, first {', '.join(missing[:3])}. Try: another `root`."
        )


def _raise(error: OSError) -> None:
    raise error

"""Images that stay in their files until somebody asks for one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from data_tools.bad_image import BadImageError, GoneImageError
from data_tools.input_spec import SCALES, InputSpec
from data_tools.picture import Mode, pixels_of
from data_tools.printable import printable
from data_tools.samples import ImageArray

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


class ImageFiles:
    """Image files by index: each read, decoded and turned upright when asked for.

    How pictures become 8-bit pixels is said in :mod:`data_tools.picture`.

    Args:
        paths: The files.
        mode: ``"rgb"`` gives ``(H, W, 3)``, ``"grey"`` gives ``(H, W, 1)``.
        inside: Folder that every file must lie in once links are followed; None for anywhere. It
            is looked at where the files are checked, see :mod:`data_tools.source_check`.

    Attributes:
        skip_bad: Whether a bad image raises :class:`~data_tools.bad_image.GoneImageError`, which
            readers skip, or :class:`~data_tools.bad_image.BadImageError`, which ends them.
    """

    def __init__(
        self, paths: Sequence[str | Path], mode: Mode = "rgb", inside: str | Path | None = None
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.mode: Mode = mode
        self.inside = None if inside is None else str(inside)
        self.skip_bad = False

    def spec(self, flips: bool = True) -> InputSpec:
        """What the pictures are, as they are read."""
        channels = 3 if self.mode == "rgb" else 1
        return InputSpec("image", channels, "uint8", None, SCALES["uint8"], flips)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> ImageArray:
        """Image ``index`` as uint8.

        Raises:
            BadImageError: The file cannot be read as an image. The message names it.
        """
        from PIL import Image

        path = self.paths[index]
        try:
            with Image.open(path) as opened:
                return pixels_of(opened, self.mode)
        except Exception as error:  # a damaged file makes decoders raise nearly anything
            message = (
                f"Expected a readable image in {printable(path)}, but got: {reason_of(error)}. "
                "Try: mend the file, or take it out of the data set."
            )
            if self.skip_bad:
                raise GoneImageError(message, 3 if self.mode == "rgb" else 1) from error
            raise BadImageError(message) from error


def reason_of(error: Exception) -> str:
    """Why a file could not be read, in a few words that do not repeat its name."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "it is no image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return f"it is too large to be opened safely ({error})"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return printable(error) or type(error).__name__


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Every image file below a folder, sorted, and the files that are no images, sorted too.

    What is called like an image and is none, a folder say, is among the images: whoever checks
    them will tell.

    Raises:
        OSError: A folder below cannot be listed.
    """
    found: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        pretenders = [name for name in folders if _is_named_as_image(name)]
        folders[:] = [name for name in folders if not _is_named_as_image(name)]
        for name in [*names, *pretenders]:
            (found if _is_named_as_image(name) else others).append(Path(parent, name))
    return sorted(found), sorted(others)


def _is_named_as_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


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

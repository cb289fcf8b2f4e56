"""Images that stay in their files until somebody asks for one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from data_tools.images import ImageArray

Mode = Literal["rgb", "grey"]

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


class ImageFiles:
    """Image files by index: each read, decoded and turned upright when asked for.

    Args:
        paths: The files.
        mode: ``"rgb"`` gives ``(H, W, 3)``, ``"grey"`` gives ``(H, W, 1)``.
    """

    def __init__(self, paths: Sequence[str | Path], mode: Mode = "rgb") -> None:
        self.paths = [str(path) for path in paths]
        self.mode = mode

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> ImageArray:
        """Image ``index`` as uint8.

        Raises:
            ValueError: The file cannot be read as an 8-bit image. The message names it.
        """
        from PIL import Image, ImageOps

        path = self.paths[index]
        try:
            with Image.open(path) as opened:
                if opened.mode.startswith(("I", "F")):
                    raise OSError(f"its pixels have more than 8 bits (mode {opened.mode})")
                picture = ImageOps.exif_transpose(opened)
                pixels = np.asarray(picture.convert("RGB" if self.mode == "rgb" else "L"))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"Expected a readable 8-bit image in {path}, but got: {error}. "
                "Try: convert the file, or take it out of the data set."
            ) from error
        return pixels if pixels.ndim == 3 else pixels[:, :, None]


def list_images(folder: Path) -> tuple[list[Path], int]:
    """Every image file below a folder, sorted, and how many files are no images.

    Raises:
        OSError: A folder below cannot be listed.
    """
    found: list[Path] = []
    others = 0
    for parent, _, names in os.walk(folder, onerror=_raise, followlinks=True):
        images = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
        others += len(names) - len(images)
        found += [Path(parent, name) for name in images]
    return sorted(found), others


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
            missing.append(str(path))
    if missing:
        raise FileNotFoundError(
            f"Expected {len(paths)} image files named in {listed_in}, but {len(missing)} do not "
            f"exist, first {', '.join(missing[:3])}. Try: another `root`."
        )


def _raise(error: OSError) -> None:
    raise error

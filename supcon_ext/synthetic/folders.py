"""Images that lie in one folder for each class or caption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.image_files import list_images
from data_tools.picture import Mode
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.listing import ListedRow


def listed_folders(
    root: str, mode: Mode, apart: str | None = None
) -> tuple[dict[Path, list[Path]], list[Defect]]:
    """The images below each folder in a root, sorted; hidden folders are none of them.

    Args:
        root: The folder of folders.
        mode: How images will be read.
        apart: Name of a file of each folder that is no stray.

    Returns:
        Images by folder, and each other file, told of.

    Raises:
        FileNotFoundError: There is no such folder, or no folder or no image in it.
        OSError: A folder cannot be listed.
    """
    top = Path(root)
    if not top.is_dir():
        raise FileNotFoundError(f"Expected a folder of argument `root`, but {root} does not exist.")
    found: dict[Path, list[Path]] = {}
    strays = []
    for child in sorted(top.iterdir()):
        if child.name.startswith(".") or not child.is_dir():
            strays.append(child)
            continue
        found[child], others = list_images(child, mode)
        strays += [path for path in others if path != child / apart] if apart else others
    if not any(found.values()):
        raise FileNotFoundError(
            f"Expected folders of images in {root}, but found no image in any folder. "
            "Try: the folder above, or below."
        )
    return found, [Defect("stray", str(path), "left out") for path in strays]


def path_column(rows: Sequence[ListedRow]) -> dict[str, npt.NDArray[Any]]:
    """A column of the rows' files."""
    return {"path": np.asarray([row.file for row in rows], dtype=object)}

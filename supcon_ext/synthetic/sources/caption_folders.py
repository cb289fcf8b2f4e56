"""Synthetic images in a folder per caption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_tools.picture import Mode
from data_tools.plain_text import read_text
from data_tools.printable import printable
from data_tools.synthetic_set import normalised_caption
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.folders import listed_folders, path_column
from supcon_ext.synthetic.image_source import ImageSource
from supcon_ext.synthetic.listing import ListedRow, Listing
from supcon_ext.synthetic.source import synthetic_source

CAPTION = "caption.txt"


@synthetic_source("caption_folders")
@dataclass(kw_only=True, eq=False)
class CaptionFolders(ImageSource):
    """A folder of images ``<caption>/*``: the caption is the folder's name, or its caption.txt.

    Images anywhere below a caption's folder belong to it. Folders whose captions are the same by
    their normalised texts are one caption. Files that are no images are told of.

    Args:
        root: The folder.
    """

    root: str

    def rows(self, mode: Mode) -> Listing:
        """The images, caption by caption."""
        folders, defects = listed_folders(self.root, mode, CAPTION)
        rows = []
        for folder, paths in folders.items():
            caption = _caption(folder, defects)
            rows += [
                ListedRow(str(path), str(path), str(path), self.root, caption, folder.name)
                for path in paths
            ]
        return Listing(f"caption folders {self.root}", rows, path_column(rows), defects)


def _caption(folder: Path, defects: list[Defect]) -> str:
    """The caption of a folder; empty where it has none that can be read, which is told of."""
    file = folder / CAPTION
    if not file.exists():
        return printable(folder.name)
    try:
        text = read_text(file)
    except (ValueError, OSError) as error:
        defects.append(Defect("caption", str(file), str(error)))
        return ""
    if not normalised_caption(text):
        defects.append(Defect("caption", str(file), "it is empty"))
    return " ".join(text.split())

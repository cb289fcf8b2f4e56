"""Synthetic images in a folder per class."""

from __future__ import annotations

from dataclasses import dataclass

from data_tools.picture import Mode
from data_tools.printable import printable
from supcon_ext.synthetic.folders import listed_folders, path_column
from supcon_ext.synthetic.image_source import ImageSource
from supcon_ext.synthetic.listing import ListedRow, Listing
from supcon_ext.synthetic.source import synthetic_source


@synthetic_source("class_folders")
@dataclass(kw_only=True, eq=False)
class ClassFolders(ImageSource):
    """A folder of images ``<class>/*``, whose folders are called as the real classes are.

    Images anywhere below a class's folder belong to it. Files that are no images are told of.

    Args:
        root: The folder.
    """

    root: str

    def rows(self, mode: Mode) -> Listing:
        """The images, class by class."""
        folders, strays = listed_folders(self.root, mode)
        rows = [
            ListedRow(str(path), str(path), str(path), self.root, label=printable(folder.name))
            for folder, paths in folders.items()
            for path in paths
        ]
        return Listing(f"class folders {self.root}", rows, path_column(rows), strays)

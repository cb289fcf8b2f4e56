"""What a source names before anything of it is opened: a row a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from data_tools.samples import SampleSequence
from supcon_ext.synthetic.defect import Defect


@dataclass(slots=True)
class ListedRow:
    """One synthetic sample as its source names it.

    Attributes:
        where: ``line 3 of made.csv``, or the file.
        name: What it is called there.
        file: The image file, or empty.
        root: Folder that the file must lie in, or empty.
        caption: Its caption as it stands, or empty.
        group: What its source takes for one caption: an id, a row, a folder; or empty.
        label: Name of its class, or empty.
        parent: The real sample that it was made from: a path, or a place in the source's training
            set; or empty.
        quality: NaN where it is no number.
    """

    where: str
    name: str
    file: str = ""
    root: str = ""
    caption: str = ""
    group: str = ""
    label: str = ""
    parent: str = ""
    quality: float = 1.0

    def says(self, what: str) -> str:
        """What is wrong with it, behind its name where its place is another."""
        return what if self.name == self.where else f"{self.name}: {what}"


@dataclass
class Listing:
    """All samples of a source.

    Attributes:
        name: What the source is called.
        rows: The samples, M of them.
        columns: Whatever else is known of each, M values a column.
        defects: What was wrong with the source's own files.
        samples: The samples, where they are read with the listing.
    """

    name: str
    rows: list[ListedRow]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    samples: SampleSequence | None = None

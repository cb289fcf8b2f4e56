"""Captions with a file name each, in the list that StableRep's programs read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from data_tools.picture import Mode
from data_tools.plain_text import read_text
from data_tools.synthetic_set import normalised_caption
from data_tools.table_formats import fields_of
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.folders import path_column
from supcon_ext.synthetic.image_source import ImageSource
from supcon_ext.synthetic.listing import ListedRow, Listing
from supcon_ext.synthetic.source import synthetic_source


@synthetic_source("captions_csv")
@dataclass(kw_only=True, eq=False)
class CaptionsCSV(ImageSource):
    """StableRep's list: lines of a relative path and a caption, no names above, one folder a seed.

    Image j of a caption is the file of its path in the j-th root; a caption has as many images as
    there are roots. Rows whose captions are the same by their normalised texts are one caption.

    Args:
        file: The list: two fields a line, in UTF-8, quoted where they hold a comma.
        roots: The folders.
    """

    file: str
    roots: Annotated[list[str], Field(min_length=1)]

    def rows(self, mode: Mode) -> Listing:
        """The images, caption by caption."""
        path = Path(self.file)
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected a list of argument `file`, but {path} does not exist."
            )
        listing = Listing(f"captions {self.file}", [])
        roots = [os.path.abspath(root) for root in self.roots]
        captions = []
        for line, fields in fields_of(path, read_text(path)):
            if not any(field.strip() for field in fields):
                continue
            where = f"line {line} of {path}"
            fault = _fault(fields)
            if fault is not None:
                listing.defects.append(Defect(fault[0], where, fault[1]))
                continue
            name, caption = (field.strip() for field in fields)
            captions.append(caption)
            listing.rows += [
                ListedRow(
                    where,
                    name if len(roots) == 1 else os.path.join(given, name),
                    os.path.join(root, name),
                    root,
                    caption,
                    str(line),
                )
                for given, root in zip(self.roots, roots, strict=True)
            ]
        if not captions and not listing.defects:
            raise ValueError(
                f"Expected lines of a path and a caption in {path}, but it is empty. "
                "Try: 000000/00001.png,a photo of a cat"
            )
        _refuse_one_caption(path, captions, listing.defects)
        listing.columns = path_column(listing.rows)
        return listing


def _fault(fields: Sequence[str]) -> tuple[str, str] | None:
    if len(fields) != 2:
        hint = "; a caption with a comma needs quotes" if len(fields) > 2 else ""
        return "fields", f"{len(fields)} fields{hint}"
    if not fields[0].strip():
        return "fields", "no path"
    if not normalised_caption(fields[1]):
        return "caption", f"{fields[0]} has an empty caption"
    return None


def _refuse_one_caption(path: Path, captions: Sequence[str], defects: list[Defect]) -> None:
    texts = {normalised_caption(caption) for caption in captions}
    if len(captions) > 1 and len(texts) == 1:
        what = f"all {len(captions):,} lines have the caption `{texts.pop()}`"
        defects.append(Defect("one_caption", str(path), what))

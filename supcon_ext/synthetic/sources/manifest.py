"""Synthetic images named in a table, one row each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.picture import Mode
from data_tools.synthetic_set import normalised_caption
from data_tools.tables import Table, read_table
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.image_source import ImageSource
from supcon_ext.synthetic.listing import ListedRow, Listing
from supcon_ext.synthetic.source import synthetic_source

GROUPING = ("caption_id", "caption", "class", "parent_id")
USED = ("path", *GROUPING, "quality", "split", "domain")
NO_PARENT = "-1"


@synthetic_source("manifest")
@dataclass(kw_only=True, eq=False)
class Manifest(ImageSource):
    """A table of images: column path, and one of caption_id, caption, class and parent_id.

    Captions are the same where their normalised texts are; ``caption_id`` stands for a caption
    that has no text. ``class`` is the name of a class of the real data set. ``parent_id`` is the
    path of a real training image, absolute or relative to its data set's root, or its place in the
    source's training set. ``quality`` is in [0, 1], 1 where the cell is empty. Only rows whose
    ``split`` is ``train`` and whose ``domain`` is ``synthetic`` are taken, or has none. Every other
    column (``seed``, ``generator``, ``guidance_scale``, ``steps``) is kept.

    Args:
        file: The table, in UTF-8; its suffix (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``) says
            its format.
        root: Folder that relative paths start from; None for the table's own.
    """

    file: str
    root: str | None = None

    def rows(self, mode: Mode) -> Listing:
        """The rows of the table."""
        path = Path(self.file)
        table = read_table(path)
        table.require("path")
        if not any(name in table.columns for name in GROUPING):
            have = ", ".join(map(repr, table.columns))
            raise ValueError(
                f"Expected a column {', '.join(GROUPING[:-1])} or {GROUPING[-1]} beside `path` in "
                f"{path}, but got {have}. Try: a column that says which images belong together."
            )
        root = os.path.abspath(path.parent if self.root is None else self.root)
        listing = Listing(f"manifest {self.file}", [])
        texts = {name: table.optional_texts(name) for name in (*USED[1:5], "split", "domain")}
        names, quality = table.texts("path"), _qualities(table)
        kept = []
        for place, name in enumerate(names):
            where = table.place(place)
            if not _taken(texts, place, name, where, listing.defects):
                continue
            kept.append(place)
            parent = texts["parent_id"][place]
            listing.rows.append(
                ListedRow(
                    where,
                    name,
                    os.path.join(root, name),
                    root,
                    texts["caption"][place] or texts["caption_id"][place],
                    texts["caption_id"][place],
                    texts["class"][place],
                    "" if parent == NO_PARENT else parent,
                    quality[place],
                )
            )
        _name_ids(listing, [texts["caption"][place] for place in kept])
        listing.columns = _columns(table, listing, kept)
        return listing


def _qualities(table: Table) -> list[float]:
    """A number a row; 1 where the cell is empty, NaN where it is no number."""
    if "quality" not in table.columns:
        return [1.0] * len(table)
    cells = table.columns["quality"]
    empty = [cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells]
    numbers = table.numbers("quality").tolist()
    return [1.0 if nothing else number for nothing, number in zip(empty, numbers, strict=True)]


def _taken(
    texts: dict[str, list[str]], place: int, name: str, where: str, defects: list[Defect]
) -> bool:
    """Whether a row is a synthetic image for training."""
    for column, taken, others in (
        ("split", "train", ("val", "validation", "test")),
        ("domain", "synthetic", ("real",)),
    ):
        word = texts[column][place]
        if word in ("", taken):
            continue
        if word in others:
            defects.append(Defect("other_row", where, f"{name}: {column} {word}"))
        else:
            expected = ", ".join((taken, *others))
            defects.append(Defect("word", where, f"{column} is `{word}`, none of {expected}"))
        return False
    return True


def _name_ids(listing: Listing, captions: list[str]) -> None:
    """Give rows that have an id alone the text that the id has elsewhere."""
    first: dict[str, ListedRow] = {}
    for row, text in zip(listing.rows, captions, strict=True):
        if not row.group or not text:
            continue
        other = first.setdefault(row.group, row)
        if normalised_caption(other.caption) != normalised_caption(text):
            what = f"caption_id {row.group} is `{text}`, and `{other.caption}` in {other.where}"
            listing.defects.append(Defect("two_captions", row.where, what, row.file))
    for row, text in zip(listing.rows, captions, strict=True):
        if row.group in first and not text:
            row.caption = first[row.group].caption


def _columns(table: Table, listing: Listing, kept: list[int]) -> dict[str, npt.NDArray[Any]]:
    further = [name for name in table.columns if name not in USED]
    columns = {name: table.values(name)[kept] for name in further}
    columns["path"] = np.asarray([row.file for row in listing.rows], dtype=object)
    return columns

"""Synthetic vectors of a file, beside a real data set of vectors.

Letters: M vectors, V stored views of each, F coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import InputSpec
from data_tools.prepared import PreparedData
from data_tools.samples import IntArray, SampleSequence, Subset
from data_tools.vector_file import VectorFile, read_vectors
from data_tools.vector_rows import VectorRows
from supcon_ext.synthetic.checked_source import CheckedSource, Look
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.listing import ListedRow, Listing
from supcon_ext.synthetic.real_digests import views_of
from supcon_ext.synthetic.source import Progress, synthetic_source

USED = ("caption", "class", "parent", "quality")
NO_PARENT = "-1"


@synthetic_source("vectors")
@dataclass(kw_only=True, eq=False)
class VectorSource(CheckedSource):
    """A file of vectors with columns caption, class, parent and quality, each as it may be there.

    The class is the name in column ``class``, else that of the file's label. ``parent`` is a path
    or a place in the source's training set, as a manifest's ``parent_id``. Rows of the splits
    validation and test are not taken. Every other column is kept.

    Args:
        file: The vectors, ``.npz``, ``.npy``, ``.safetensors`` or ``.parquet``, of as many
            coordinates as the real ones.
    """

    file: str

    def listing(self, real: PreparedData) -> Listing:
        """The rows of the file."""
        read = read_vectors(self.file)
        views = _fitting(read, real)
        count = len(read)
        listing = Listing(f"vectors {self.file}", [])
        texts = {name: _texts(read.columns.get(name), count) for name in USED[:3]}
        if "class" not in read.columns and read.label is not None:
            texts["class"] = [read.classes[number] for number in read.label]
        quality = _numbers(read.columns.get("quality"), count)
        kept = []
        for place in range(count):
            where = f"row {place} of {self.file}"
            if read.split is not None and read.split[place] != "train":
                listing.defects.append(Defect("other_row", where, f"split {read.split[place]}"))
                continue
            kept.append(place)
            parent = texts["parent"][place]
            listing.rows.append(
                ListedRow(
                    where,
                    where,
                    caption=texts["caption"][place],
                    label=texts["class"][place],
                    parent="" if parent == NO_PARENT else parent,
                    quality=quality[place],
                )
            )
        index = np.array(kept, dtype=np.int64)
        listing.samples = Subset(VectorRows(views), index)
        listing.columns = {
            name: column[index] for name, column in read.columns.items() if name not in USED
        }
        return listing

    def look(self, listing: Listing, real: PreparedData, progress: Progress | None) -> list[Look]:
        """Read every vector; that its numbers are finite was seen before."""
        samples = _samples(listing)
        return [Look(views_of(samples[place])) for place in range(len(samples))]

    def samples(
        self, listing: Listing, looks: Sequence[Look], kept: IntArray, real: PreparedData
    ) -> tuple[SampleSequence, InputSpec]:
        """The vectors."""
        return Subset(_samples(listing), kept), real.train.spec


def _samples(listing: Listing) -> SampleSequence:
    if listing.samples is None:
        raise ValueError("Expected a listing with its vectors, but got one without.")
    return listing.samples


def _fitting(read: VectorFile, real: PreparedData) -> npt.NDArray[Any]:
    """The vectors in the form of the real ones: a single view stands for all stored ones.

    Raises:
        ValueError: They are of another width or number of views, or the real samples are images.
    """
    spec = real.train.spec
    if spec.kind != "vector":
        raise ValueError(
            f"Expected a real data set of vectors beside those of {read.path}, but it is one of "
            f"{spec.kind}s. Try: `dataset: vectors`, the vectors of the real images."
        )
    if read.width != spec.channels:
        raise ValueError(
            f"Expected vectors of {spec.channels} coordinates, as the real ones, in {read.path}, "
            f"but got {read.width}. Try: the encoder that made the real ones."
        )
    real_views = 1 if np.ndim(real.train[0]) == 1 else len(real.train[0])
    if read.views == real_views:
        return read.vectors
    if read.views > 1:
        raise ValueError(
            f"Expected {real_views} stored views, as of the real vectors, or one in {read.path}, "
            f"but got {read.views}."
        )
    flat = read.vectors.reshape(len(read), 1, read.width)
    return np.broadcast_to(flat, (len(read), real_views, read.width))


def _texts(column: npt.NDArray[Any] | None, count: int) -> list[str]:
    if column is None:
        return [""] * count
    return ["" if cell is None else str(cell).strip() for cell in column.tolist()]


def _numbers(column: npt.NDArray[Any] | None, count: int) -> list[float]:
    """A number a row: 1 where the cell is empty, NaN where it is no number."""
    if column is None:
        return [1.0] * count
    return [_number(cell) for cell in column.tolist()]


def _number(cell: Any) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return 1.0
    try:
        return float(cell)
    except (ValueError, TypeError):
        return float("nan")

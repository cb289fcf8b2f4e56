"""Rows of a source held against the real data set and against each other.

Letters: M rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray
from data_tools.synthetic_set import UNKNOWN, normalised_caption
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.listing import ListedRow
from supcon_ext.synthetic.parents import Parents
from supcon_ext.synthetic.real_digests import RealSample

NEAREST = 3


def judge_classes(
    rows: Sequence[ListedRow], classes: Sequence[str], defects: list[Defect]
) -> IntArray:
    """``(M,)`` int64 places among the classes, -1 for none or an unknown one."""
    place = {name: number for number, name in enumerate(classes)}
    near: dict[str, str] = {}
    label = np.full(len(rows), UNKNOWN, dtype=np.int64)
    for number, row in enumerate(rows):
        if not row.label:
            continue
        label[number] = place.get(row.label, UNKNOWN)
        if row.label in place:
            continue
        if row.label not in near:
            alike = get_close_matches(row.label, classes, NEAREST) or classes[:NEAREST]
            near[row.label] = ", ".join(f"`{name}`" for name in alike)
        what = f"class `{row.label}`; the real data set has {near[row.label]}"
        defects.append(Defect("unknown_class", row.where, what, row.file, number))
    return label


def judge_parents(rows: Sequence[ListedRow], parents: Parents, defects: list[Defect]) -> IntArray:
    """``(M,)`` int64 places in the real training set, -1 for none or an unknown one."""
    found: dict[str, tuple[int, str, str]] = {"": (UNKNOWN, "", "")}
    parent = np.full(len(rows), UNKNOWN, dtype=np.int64)
    for number, row in enumerate(rows):
        if row.parent not in found:
            found[row.parent] = _parent(row.parent, parents)
        parent[number], kind, what = found[row.parent]
        if kind:
            defects.append(Defect(kind, row.where, what, row.file, number))
    return parent


def _parent(name: str, parents: Parents) -> tuple[int, str, str]:
    real = parents.find(name)
    if real is None:
        what = f"parent {name}, which the data set does not have, or imbalance left out"
        return UNKNOWN, "unknown_parent", what
    if real.split != "train":
        return UNKNOWN, "held_out_parent", f"parent {name}, a {real.split} sample"
    return real.place, "", ""


def judge_quality(rows: Sequence[ListedRow], defects: list[Defect]) -> npt.NDArray[np.float32]:
    """``(M,)`` float32 in [0, 1]; 0 where it is none."""
    quality = np.array([row.quality for row in rows], dtype=np.float32)
    for number in np.flatnonzero(~((quality >= 0) & (quality <= 1))).tolist():
        row = rows[number]
        got = "no number" if np.isnan(row.quality) else f"{row.quality:g}"
        defects.append(Defect("quality", row.where, f"quality is {got}", row.file, number))
        quality[number] = 0
    return quality


def judge_copies(
    rows: Sequence[ListedRow],
    digests: Sequence[tuple[str, ...]],
    real: Mapping[str, RealSample],
    within: bool,
    defects: list[Defect],
) -> None:
    """Copies of real samples and, where ``within``, equal samples of one caption or class.

    Args:
        rows: M rows.
        digests: Of each row's views; empty where it cannot be read.
        real: Real samples by digest.
        within: Whether rows are held against each other.
        defects: Takes what is found.
    """
    first: dict[tuple[str, tuple[str, ...]], ListedRow] = {}
    for number, (row, views) in enumerate(zip(rows, digests, strict=True)):
        same = next((real[view] for view in views if view in real), None)
        if same is not None:
            kind = "copy" if same.split == "train" else "leak"
            what = row.says(f"equals {same.split} sample {same.name}")
            defects.append(Defect(kind, row.where, what, row.file, number))
        if not within or not views:
            continue
        key = normalised_caption(row.caption) or row.label or row.parent
        other = first.setdefault((key, views), row)
        if other is not row:
            what = row.says(f"equals {other.where}")
            defects.append(Defect("duplicate", row.where, what, row.file, number))


def judge_captions(
    rows: Sequence[ListedRow], kept: npt.NDArray[np.bool_], defects: list[Defect]
) -> None:
    """Captions that several groups of rows have, and captions with one sample that is kept."""
    groups: dict[str, dict[str, ListedRow]] = defaultdict(dict)
    samples: dict[str, list[ListedRow]] = defaultdict(list)
    texts = {text: normalised_caption(text) for text in {row.caption for row in rows}}
    for row, keep in zip(rows, kept.tolist(), strict=True):
        text = texts[row.caption]
        if not text:
            continue
        groups[text].setdefault(row.group or row.caption, row)
        if keep:
            samples[text].append(row)
    defects.extend(_merged(groups))
    for text, its in samples.items():
        if len(its) == 1:
            defects.append(Defect("lone", its[0].where, f"`{text}`", its[0].file))


def _merged(groups: Mapping[str, Mapping[str, ListedRow]]) -> Iterator[Defect]:
    for text, its in groups.items():
        if len(its) > 1:
            first, *others = its.values()
            where = ", ".join(row.where for row in others[:NEAREST])
            more = f" and {len(others) - NEAREST:,} more" if len(others) > NEAREST else ""
            yield Defect("merged", first.where, f"`{text}`, again in {where}{more}")

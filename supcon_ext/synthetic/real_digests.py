"""What the real samples show, so that copies of them are found whatever file they are in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from data_tools.bad_image import BadImageError
from data_tools.image_check import check_files
from data_tools.image_facts import Facts
from data_tools.pixel_digest import digest_of
from data_tools.prepared import PreparedData
from data_tools.samples import ImageArray, SampleSet
from data_tools.source_check import files_of
from supcon_ext.synthetic.source import Progress

Sides = tuple[int, int]


class RealSample(NamedTuple):
    """A real sample that a synthetic one may be a copy of.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        name: Its path, or its place in the split.
    """

    split: str
    name: str


def views_of(sample: ImageArray) -> tuple[str, ...]:
    """A digest of an image, or of each stored view of a vector."""
    if sample.ndim == 3:
        return (digest_of(sample),)
    return tuple(digest_of(view) for view in np.atleast_2d(sample))


def real_digests(
    real: PreparedData, sides: set[Sides] | None, train: bool, progress: Progress | None
) -> dict[str, RealSample]:
    """Digests of the real samples, of held-out ones where several are equal.

    Args:
        real: The data set.
        sides: Heights and widths of images that may be equal to a synthetic one; others are not
            opened. None for vectors.
        train: Whether training samples are looked at as well.
        progress: Told how far the files are read.
    """
    found: dict[str, RealSample] = {}
    parts = {"test": real.test, "validation": real.validation}
    if train:
        parts["train"] = real.train
    for split, part in parts.items():
        if part is None:
            continue
        for name, digests in _digests(part, sides, progress):
            for digest in digests:
                found.setdefault(digest, RealSample(split, name))
    return found


def _digests(
    part: SampleSet, sides: set[Sides] | None, progress: Progress | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    files = files_of(part)
    if files is not None and sides is not None:
        reader, paths = files
        checked = check_files(paths, reader.mode, inside=reader.inside, hashes=False)
        alike = [path for path, one in checked.facts.items() if sides & sides_of(one)]
        looked = check_files(
            alike, reader.mode, inside=reader.inside, decode=True, hashes=False, progress=progress
        )
        yield from ((path, (one.digest,)) for path, one in looked.facts.items() if one.digest)
        return
    for place in range(len(part)):
        try:
            sample = part[place]
        except BadImageError:
            continue
        if sides is None or sample.shape[:2] in sides:
            yield str(place), views_of(sample)


def sides_of(facts: Facts) -> frozenset[Sides]:
    """Height and width of a file as it may be read: upright, or turned."""
    stored = facts.height, facts.width
    return frozenset({stored, stored[::-1]} if facts.turned else {stored})

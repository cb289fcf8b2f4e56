"""The samples that a user named, of one split or more, one after the other."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.bad_image import GoneImageError
from data_tools.image_check import Told, check_files
from data_tools.image_files import ImageFiles
from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet, Subset
from data_tools.source_check import check_source
from supcon_ext.experiment.named_data import NamedData

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class GivenSamples:
    """N samples of one or more splits, one after the other.

    Attributes:
        parts: Those of each split.
        labelled: Whether labels are known; if not, all are of one class.
        split: ``(N,)`` names of splits.
        parted: Whether the data come in more than one split.
        number: ``(N,)`` int64 places in the whole data set, all splits in order.
    """

    parts: Mapping[str, SampleSet]
    labelled: bool
    split: npt.NDArray[Any]
    parted: bool
    number: IntArray

    def __len__(self) -> int:
        return len(self.split)

    @cached_property
    def samples(self) -> SampleSet:
        """All of them."""
        return joined(list(self.parts.values()))

    @property
    def names(self) -> list[str]:
        """What each is called: its path, or its split and its place."""
        if "path" in self.samples.columns:
            return [str(path) for path in self.samples.columns["path"]]
        return [f"{name}/{place}" for name, place in zip(self.split, self.number, strict=True)]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of samples, labels and splits."""
        return _fingerprint(self.parts, self.labelled)


def read_samples(
    data: NamedData,
    *,
    splits: Collection[str] = SPLITS,
    skip_bad: bool = False,
    progress: Told | None = None,
) -> GivenSamples:
    """Read and check named data as they come, before noise and imbalance.

    Args:
        data: What was named.
        splits: Which to take, of those that there are.
        skip_bad: Leave bad image files out, in place of an error.
        progress: Told how far the check of the files is.

    Raises:
        ValueError: There is no such split, or files are bad.
        OSError: Something cannot be read.
    """
    source = data.source
    if source.train.spec.kind == "image":
        rules = data.rules(skip_bad)
        source, _ = check_source(source, rules, left_out=data.left_out, progress=progress)
    found = {"train": source.train, "validation": source.validation, "test": source.test}
    parts = {name: part for name, part in found.items() if part is not None and len(part)}
    taken = [name for name in parts if name in splits]
    if not taken:
        raise ValueError(
            f"Expected a split among {', '.join(parts)} of argument `split`, but got "
            f"{', '.join(splits)}."
        )
    sizes = np.cumsum([0, *(len(part) for part in parts.values())])
    starts = dict(zip(parts, sizes.tolist(), strict=False))
    chosen = {name: parts[name] for name in taken}
    return GivenSamples(
        parts=chosen,
        labelled=data.labelled,
        split=np.repeat(taken, [len(part) for part in chosen.values()]),
        parted=len(parts) > 1,
        number=np.concatenate(
            [np.arange(len(part)) + starts[name] for name, part in chosen.items()]
        ),
    )


class _Joined:
    """Several sequences, one after the other."""

    def __init__(self, parts: Sequence[SampleSequence]) -> None:
        self.parts = tuple(parts)
        self.ends = list(itertools.accumulate(len(part) for part in parts))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> ImageArray:
        number = bisect.bisect_right(self.ends, index)
        return self.parts[number][index - (self.ends[number - 1] if number else 0)]


def joined(parts: list[SampleSet]) -> SampleSet:
    """Several sets of one kind as one, with the columns that all have."""
    first = parts[0]
    shared = [name for name in first.columns if all(name in part.columns for part in parts)]
    return SampleSet(
        samples=_Joined([part.samples for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        classes=first.classes,
        columns={
            name: np.concatenate([np.asarray(part.columns[name]) for part in parts])
            for name in shared
        },
        spec=first.spec,
    )


def _fingerprint(parts: Mapping[str, SampleSet], labelled: bool) -> str:
    digest = hashlib.sha256()
    for name, part in parts.items():
        digest.update(f"{name}:{len(part)}:".encode())
        if labelled:
            digest.update("\0".join(part.classes).encode(errors="surrogateescape"))
            digest.update(part.label.astype("<i8").tobytes())
        for content in _contents(part.samples):
            digest.update(content)
    return digest.hexdigest()


def _contents(samples: SampleSequence) -> Iterator[bytes]:
    """What tells each picture from others: name and both ends of its file, or all its numbers."""
    files = samples.samples if isinstance(samples, Subset) else samples
    if not isinstance(files, ImageFiles):
        for index in range(len(samples)):
            try:
                image = samples[index]
            except GoneImageError as gone:
                image = gone.blank
            yield f"{image.shape}{image.dtype}".encode() + image.tobytes()
        return
    chosen = samples.index.tolist() if isinstance(samples, Subset) else range(len(files))
    paths = [files.paths[place] for place in chosen]
    facts = check_files(paths, files.mode, inside=files.inside, hashes=False).facts
    top = os.path.commonpath([os.path.dirname(path) for path in paths])
    for path in paths:
        told = f"{os.path.relpath(path, top)}\0{facts[path].ends}\0"
        yield told.encode(errors="surrogateescape")

"""What can be embedded: a recipe's data set, a folder, a manifest, as they come."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from data_tools.bad_image import GoneImageError
from data_tools.datasets.base import Splits
from data_tools.datasets.image_folder import image_folder
from data_tools.datasets.manifest import manifest
from data_tools.image_check import Told, check_files
from data_tools.image_files import ImageFiles, list_images
from data_tools.picture import Mode
from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet, Subset
from data_tools.source_check import CheckRules, check_source
from data_tools.tables import SUFFIXES as TABLES

SPLITS = ("train", "validation", "test")
SKIP_HINT = "`--skip-bad`"
_RECIPES = (".yaml", ".yml")


@dataclass(frozen=True)
class Pictures:
    """N pictures of one or more splits, one after the other.

    Attributes:
        samples: All of them; where nothing is known of labels, all are of one class.
        labelled: Whether labels are known.
        split: ``(N,)`` names of splits.
        parted: Whether the data come in more than one split.
        number: ``(N,)`` int64 places in the whole data set, all splits in order.
        fingerprint: Hash of pictures, labels and splits.
    """

    samples: SampleSet
    labelled: bool
    split: npt.NDArray[Any]
    parted: bool
    number: IntArray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.samples)


def read_pictures(
    data: str,
    *,
    splits: Collection[str] = SPLITS,
    skip_bad: bool = False,
    mode: Mode = "rgb",
    scale: float | None = None,
    progress: Told | None = None,
) -> Pictures:
    """Read and check what is to be embedded.

    Args:
        data: A recipe, by file or name, whose data set is taken before noise and imbalance; a
            folder with a folder for each class, or with pictures alone, of which no labels are
            known; a manifest.
        splits: Which to take, of those that there are.
        skip_bad: Leave bad image files out, in place of an error.
        mode: How files of a folder or a manifest are read; a recipe says so itself.
        scale: The stored value that stands for 1, with ``mode: stored``.
        progress: Told how far the check of the files is.

    Raises:
        ValueError: It is none of these, holds no picture, or holds bad ones.
        OSError: Something cannot be read.
    """
    reading: _Reading = {"mode": mode, "scale": scale}
    source, rules, labelled = _source(data, skip_bad, reading)
    if source.train.spec.kind != "image":
        raise ValueError(
            f"Expected a data set of pictures, but {data} holds vectors. "
            "Try: a recipe or a folder of pictures."
        )
    source, _ = check_source(source, rules, progress=progress)
    found = {"train": source.train, "validation": source.validation, "test": source.test}
    parts = {name: part for name, part in found.items() if part is not None}
    taken = [name for name in parts if name in splits]
    if not taken:
        raise ValueError(
            f"Expected a split among {', '.join(parts)} of argument `split`, but got "
            f"{', '.join(splits)}."
        )
    sizes = np.cumsum([0, *(len(part) for part in parts.values())])
    starts = dict(zip(parts, sizes.tolist(), strict=False))
    chosen = {name: parts[name] for name in taken}
    return Pictures(
        samples=joined(list(chosen.values())),
        labelled=labelled,
        split=np.repeat(taken, [len(part) for part in chosen.values()]),
        parted=len(parts) > 1,
        number=np.concatenate(
            [np.arange(len(part)) + starts[name] for name, part in chosen.items()]
        ),
        fingerprint=_fingerprint(chosen, labelled),
    )


class _Reading(TypedDict):
    mode: Mode
    scale: float | None


def _source(data: str, skip_bad: bool, reading: _Reading) -> tuple[Splits, CheckRules, bool]:
    """The data set, what is looked for in it, and whether its labels are known."""
    path = Path(data)
    skipping = {"bad_images": "skip" if skip_bad else "error", "skip_hint": SKIP_HINT}
    rules = CheckRules(empty_classes="keep", **skipping)  # type: ignore[arg-type]
    if path.is_dir():
        if _has_classes(path, reading["mode"]):
            return image_folder(root=data, test=0.0, **reading), rules, True
        return _without_labels(path, reading), replace(rules, duplicates="ignore"), False
    if path.suffix.lower() in TABLES:
        return manifest(file=data, **reading), rules, True
    if path.exists() and path.suffix.lower() not in _RECIPES:
        raise ValueError(
            f"Expected a recipe (.yaml), a folder or a manifest ({', '.join(TABLES)}), but got "
            f"{data}."
        )
    from supcon_ext.experiment.checked_parts import source_of
    from supcon_ext.recipe.load import load_recipe

    section = load_recipe(data).data
    if section.bad_images == "skip":
        skipping["bad_images"] = "skip"
    rules = CheckRules(
        decode=section.decode,
        duplicates=section.duplicates,
        empty_classes=section.empty_classes,
        **skipping,  # type: ignore[arg-type]
    )
    return source_of(section.dataset), rules, True


def _has_classes(folder: Path, mode: Mode) -> bool:
    below = (child for child in folder.iterdir() if child.is_dir() and child.name[0] != ".")
    return any(list_images(child, mode)[0] for child in below)


def _without_labels(folder: Path, reading: _Reading) -> Splits:
    paths, _ = list_images(folder, reading["mode"])
    if not paths:
        raise FileNotFoundError(f"Expected pictures in {folder}, but found none.")
    files = ImageFiles(paths, reading["mode"], folder, reading["scale"])
    train = SampleSet(
        samples=files,
        label=np.zeros(len(paths), dtype=np.int64),
        classes=("unlabelled",),
        columns={"path": np.asarray(files.paths, dtype=object)},
        spec=files.spec(),
    )
    return Splits(train, None, truth_known=False)


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


def _fingerprint(parts: dict[str, SampleSet], labelled: bool) -> str:
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

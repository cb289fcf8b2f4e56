"""One split of data that Python holds: arrays, paths, or an object that gives pairs by index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.float_range import FloatRange
from data_tools.huggingface_part import class_names, columns_of, is_huggingface, samples_of
from data_tools.image_facts import hash_ends
from data_tools.image_files import ImageFiles
from data_tools.object_samples import ObjectSamples
from data_tools.picture import Mode
from data_tools.picture_array import check_pictures
from data_tools.pixel_digest import digest_of
from data_tools.samples import ImageArray, SampleSequence
from data_tools.stored_picture import depth_of
from data_tools.vector_checks import check_layout, check_numbers
from data_tools.vector_rows import VectorRows, stacked

FORMS = (
    "a torch Dataset of (image, label), a Hugging Face Dataset, (X, y) of arrays, or "
    "(paths, labels)"
)


@dataclass(frozen=True)
class GivenPart:
    """One split.

    Attributes:
        samples: N samples.
        label: N names of classes; or N numbers of them, where ``classes`` names them.
        classes: Names of the classes, where the object has them.
        paths: N files, where the samples are some.
        digest: Equal for two parts exactly when what is told of their samples and labels is.
    """

    samples: SampleSequence
    label: list[str] | list[int]
    classes: tuple[str, ...] | None
    paths: list[str] | None
    digest: str


def given_part(
    data: Any,
    where: str,
    mode: Mode,
    scale: float | None,
    seen: Callable[[], None] = lambda: None,
    *,
    digests: bool = True,
) -> GivenPart:
    """Read one split through, once, and check it.

    Args:
        data: See :data:`FORMS`.
        where: What it is, for messages.
        mode: How files and Pillow's pictures are read.
        scale: The value that stands for 1.
        seen: Called after each sample.
        digests: Whether a digest is asked for; if not, it is of the labels alone.

    Raises:
        ValueError: It is nothing of the kind, is empty, or has a sample or label that is none.
    """
    return _Reader(where, mode, scale, seen, digests).part(data)


@dataclass(frozen=True)
class _Reader:
    """Reads one split; the fields are as in :func:`given_part`."""

    where: str
    mode: Mode
    scale: float | None
    seen: Callable[[], None]
    digests: bool

    def told(self, sample: npt.NDArray[Any]) -> str:
        """What tells a sample, or several, from others, where that is asked for."""
        return digest_of(np.ascontiguousarray(sample)) if self.digests else ""

    def part(self, data: Any) -> GivenPart:
        """The split, by what it is."""
        where = self.where
        if isinstance(data, tuple):
            if len(data) != 2:
                raise ValueError(f"Expected (X, y) as {where}, but got a tuple of {len(data)}.")
            return self.of_two(*data)
        if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
            more = ", which gives no item by its place. Try: list(...) of it"
            raise ValueError(f"Expected {FORMS} as {where}, but got {type(data).__name__}{more}.")
        _expect_some(len(data), where)
        if is_huggingface(data):
            return self.of_huggingface(data)
        if isinstance(data, (str, bytes)) or hasattr(data, "columns"):
            raise ValueError(f"Expected {FORMS} as {where}, but got {type(data).__name__}.")
        return self.of_pairs(data)

    def of_huggingface(self, data: Any) -> GivenPart:
        """A data set of the package `datasets`."""
        sample, label = columns_of(data, self.where)
        held, numbers = samples_of(data, sample, self.mode, self.where), list(data[label])
        classes = class_names(data, label)
        if isinstance(held, VectorRows):
            return replace(self.of_array(held.vectors, numbers), classes=classes)
        return self.looked_through(held, numbers, classes, held.items)

    def of_pairs(self, data: Any) -> GivenPart:
        """An object whose items are (image, label)."""
        labels: list[Any] = []

        def pairs() -> Iterator[Any]:
            for place in range(len(data)):
                item = data[place]
                if not isinstance(item, (tuple, list)) or len(item) != 2:
                    got = f"{len(item)} values" if isinstance(item, tuple) else type(item).__name__
                    raise ValueError(
                        f"Expected (image, label) as item {place} of {self.where}, but got {got}. "
                        "Try: a Dataset whose items are such pairs"
                    )
                labels.append(item[1])
                yield item

        names = getattr(data, "classes", None)
        classes = tuple(map(str, names)) if isinstance(names, (list, tuple)) else None
        found = ObjectSamples(data, 0, self.mode, self.where)
        return self.looked_through(found, labels, classes, pairs())

    def of_two(self, samples: Any, labels: Any) -> GivenPart:
        """Samples and labels apart: an array, files, or a list of pictures or vectors."""
        where = self.where
        if hasattr(samples, "to_numpy"):
            samples = samples.to_numpy()
        if not hasattr(samples, "__len__") or isinstance(samples, (str, bytes)):
            raise ValueError(f"Expected {FORMS} as {where}, but got X of {type(samples).__name__}.")
        _expect_some(len(samples), where)
        if len(samples) != _length(labels, where):
            raise ValueError(
                f"Expected one label for each of the {len(samples)} samples of {where}, but got "
                f"{len(labels)}."
            )
        first = samples[0]
        if isinstance(first, (str, Path)):
            return self.of_files([str(path) for path in samples], labels)
        if hasattr(samples, "detach"):  # a tensor (N, C, H, W), (N, H, W) or (N, F)
            samples = samples.detach().cpu().numpy()
            samples = samples.transpose(0, 2, 3, 1) if samples.ndim == 4 else samples
        elif isinstance(samples, (list, tuple)) and np.ndim(first) == 1:
            samples = stacked(samples, where)
        if isinstance(samples, np.ndarray) and samples.dtype.kind != "O":
            return self.of_array(samples, labels)
        found = ObjectSamples(list(samples), None, self.mode, where)
        return self.looked_through(found, labels, None, found.items)

    def of_array(self, x: npt.NDArray[Any], labels: Any) -> GivenPart:
        """Pictures or vectors in one array."""
        where = self.where
        found: SampleSequence
        if x.ndim == 2:
            if x.dtype.kind in "iub":
                x = x.astype(np.float32)
            check_layout(x.shape, x.dtype, where)
            check_numbers(x, where, zeros=True)
            found = VectorRows(x)
        else:
            check_pictures(x.shape, x.dtype, where)
            x = x.astype(depth_of(x.dtype), copy=False)
            x = found = x if x.ndim == 4 else x[..., None]
            if x.dtype.kind == "f":
                floats = FloatRange(where, self.scale)
                for place in range(len(x)):
                    floats.see(x[place : place + 1], place)
                floats.settle()
        for _ in range(len(x)):
            self.seen()
        label = plain_labels(labels, where)
        digest = _digest([self.told(x)], label)
        return GivenPart(found, label, None, None, digest)

    def of_files(self, paths: list[str], labels: Any) -> GivenPart:
        """Files are checked like those of any data set later on; here, no more than their ends."""
        told = []
        for path in paths:
            told.append(_ends(path) if self.digests else "")
            self.seen()
        label = plain_labels(labels, self.where)
        found = ImageFiles(paths, self.mode, None, self.scale)
        return GivenPart(found, label, None, paths, _digest(told, label))

    def looked_through(
        self, samples: ObjectSamples, labels: Any, classes: tuple[str, ...] | None, items: Any
    ) -> GivenPart:
        """Read every item of an object once: its kind, its range, what tells it from others."""
        where, floats = self.where, FloatRange(self.where, self.scale)
        told: list[str] = []
        vectors: list[ImageArray] = []
        kind: tuple[Any, ...] = ()
        first: ImageArray | None = None
        for place, item in enumerate(items):
            sample = samples.read(item, place)
            its = (sample.ndim, str(sample.dtype), sample.shape[-1])
            kind = kind or its
            first = sample if first is None else first
            if its != kind:
                raise ValueError(
                    f"Expected samples of one kind in {where}, but item {place} is {sample.dtype} "
                    f"{sample.shape}, and the first {samples[0].dtype} {samples[0].shape}."
                )
            if sample.ndim == 1:
                vectors.append(sample)
            elif sample.dtype.kind == "f":
                floats.see(sample[None], place)
            told.append(self.told(sample))
            self.seen()
        if first is None or not np.array_equal(samples[0], first, equal_nan=True):
            raise ValueError(
                f"Expected the same sample each time in {where}, but item 0 differs when read "
                "again. Try: no random transform in it; the `views` of the recipe augment"
            )
        floats.settle()
        label = plain_labels(labels, where)
        found: SampleSequence = samples
        if vectors:
            x = np.stack(vectors)
            check_numbers(x, where, zeros=True)
            found = VectorRows(x)
        return GivenPart(found, label, classes, None, _digest(told, label))


def _ends(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hash_ends(file)
    except OSError:  # the check of the files tells of it
        return ""


def plain_labels(labels: Any, where: str) -> list[str] | list[int]:
    """N labels, all texts or all whole numbers, as a list.

    Raises:
        ValueError: They are anything else.
    """
    values = [each.item() if hasattr(each, "item") else each for each in _flat(labels)]
    if all(isinstance(value, str) for value in values):
        bare = [value.strip() for value in values]
        if "" in bare:
            raise ValueError(
                f"Expected a label for each sample of {where}, but {bare.count('')} of {len(bare)} "
                f"have none, first item {bare.index('')}."
            )
        return bare
    wrong = [value for value in values if isinstance(value, str) or not _whole(value)]
    if wrong:
        raise ValueError(
            f"Expected labels that are whole numbers or texts in {where}, but got {wrong[0]!r}. "
            "Try: y.astype('int64')"
        )
    return [int(value) for value in values]


def _whole(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, np.integer))


def _flat(labels: Any) -> Sequence[Any]:
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    if hasattr(labels, "to_numpy"):
        labels = labels.to_numpy()
    if isinstance(labels, np.ndarray):
        return list(labels.reshape(len(labels), -1)[:, 0]) if labels.ndim == 2 else list(labels)
    return list(labels)


def _length(labels: Any, where: str) -> int:
    if not hasattr(labels, "__len__") or isinstance(labels, (str, bytes)):
        raise ValueError(f"Expected labels (N,) in {where}, but got {type(labels).__name__}.")
    return len(labels)


def _expect_some(count: int, where: str) -> None:
    if not count:
        raise ValueError(f"Expected at least one sample in {where}, but got none.")


def _digest(samples: Sequence[str], label: Sequence[object]) -> str:
    text = json.dumps([list(samples), [str(each) for each in label]])
    return hashlib.sha256(text.encode()).hexdigest()

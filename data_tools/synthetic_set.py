"""Samples that a program made: never a split of a data set, always beside one.

Shape letters: N real training samples, M synthetic samples.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray, IntArray, SampleSequence, Subset
from data_tools.vector_rows import Vectors, gather_vectors

FloatArray = npt.NDArray[np.float32]

UNKNOWN = -1
"""Stands for a class, a caption or a parent that a sample does not have."""


def normalised_caption(text: str) -> str:
    """A caption as it is compared: Unicode NFKC_Casefold, one space between words."""
    folded = unicodedata.normalize("NFD", text).casefold()
    folded = unicodedata.normalize("NFKC", folded).casefold()  # the second makes it stable
    return " ".join(unicodedata.normalize("NFKC", folded).split())


@dataclass(frozen=True)
class SyntheticSet:
    """Samples that a generator made, and what is known of each.

    It is no :class:`~data_tools.samples.SampleSet`, so that validation, test and true labels cannot
    hold one.

    Attributes:
        samples: M samples by index, of the spec's kind and type.
        spec: What they are.
        classes: Names of the C classes of the real set that they stand beside.
        label: ``(M,)`` int64 in ``[0, C)``; -1 where the class is not known.
        captions: Distinct captions, each as :func:`normalised_caption` has it.
        caption: ``(M,)`` int64 place in ``captions``; -1 for none.
        parent: ``(M,)`` int64 place in the real training set of the sample that it was made from;
            -1 for none.
        quality: ``(M,)`` float32 in [0, 1], how far it is believed to be good.
        columns: Whatever else is known, M values a column (``path``, ``seed``, ``generator``).

    Raises:
        ValueError: Lengths, ranges or captions do not fit.
    """

    samples: SampleSequence
    spec: InputSpec
    classes: tuple[str, ...]
    label: IntArray
    captions: tuple[str, ...]
    caption: IntArray
    parent: IntArray
    quality: FloatArray
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.samples)
        told: dict[str, npt.NDArray[Any]] = {
            "label": self.label,
            "caption": self.caption,
            "parent": self.parent,
            "quality": self.quality,
            **self.columns,
        }
        for name, column in told.items():
            if len(column) != count:
                raise ValueError(
                    f"Expected {count} values of `{name}`, one a synthetic sample, "
                    f"but got {len(column)}."
                )
        _in_range("label", self.label, len(self.classes))
        _in_range("caption", self.caption, len(self.captions))
        _in_range("parent", self.parent, None)
        if count and not bool(((self.quality >= 0) & (self.quality <= 1)).all()):
            raise ValueError(
                f"Expected a quality in [0, 1] of each synthetic sample, but got "
                f"{self.quality.min()} to {self.quality.max()}."
            )
        if len(set(self.captions)) < len(self.captions):
            raise ValueError(
                "Expected distinct captions, but got one twice. Try: SyntheticSet.of, which merges "
                "equal ones."
            )

    @staticmethod
    def of(
        samples: SampleSequence,
        spec: InputSpec,
        classes: Sequence[str],
        *,
        label: npt.ArrayLike | None = None,
        captions: Sequence[str | None] | None = None,
        parent: npt.ArrayLike | None = None,
        quality: npt.ArrayLike | None = None,
        columns: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> SyntheticSet:
        """A set with the usual answers filled in, and captions merged by their normalised text.

        Args:
            samples: M samples.
            spec: What they are.
            classes: Of the real set.
            label: ``(M,)`` integers; None knows no class.
            captions: One text a sample, None or empty for none; None for no captions at all.
            parent: ``(M,)`` integers; None for no parents.
            quality: ``(M,)`` numbers; None is 1 for all.
            columns: Further columns.

        Raises:
            ValueError: See :class:`SyntheticSet`.
        """
        count = len(samples)
        nobody = np.full(count, UNKNOWN, dtype=np.int64)
        texts = [normalised_caption(text or "") for text in captions or [None] * count]
        known = sorted(set(texts) - {""})
        place = {text: number for number, text in enumerate(known)}
        return SyntheticSet(
            samples=samples,
            spec=spec,
            classes=tuple(classes),
            label=nobody if label is None else np.asarray(label, dtype=np.int64),
            captions=tuple(known),
            caption=np.array([place.get(text, UNKNOWN) for text in texts], dtype=np.int64),
            parent=nobody if parent is None else np.asarray(parent, dtype=np.int64),
            quality=(
                np.ones(count, dtype=np.float32)
                if quality is None
                else np.asarray(quality, dtype=np.float32)
            ),
            columns=dict(columns or {}),
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> ImageArray:
        """Sample ``index``."""
        return self.samples[index]

    def take(self, index: IntArray) -> SyntheticSet:
        """The samples at these positions, in this order, without reading them."""
        return SyntheticSet(
            samples=Subset(self.samples, index),
            spec=self.spec,
            classes=self.classes,
            label=self.label[index],
            captions=self.captions,
            caption=self.caption[index],
            parent=self.parent[index],
            quality=self.quality[index],
            columns={name: column[index] for name, column in self.columns.items()},
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that is known of the samples, without reading them."""
        told = hashlib.sha256()
        columns = {**self.columns, "captions": np.array(self.captions, dtype=str)}
        columns |= {"label": self.label, "caption": self.caption, "parent": self.parent}
        columns |= {"quality": self.quality}
        for name in sorted(columns):
            column = columns[name]
            values = column if column.dtype.kind in "iufb" else np.array(column, dtype=str)
            told.update(f"{name} {values.dtype} {values.shape}".encode())
            told.update(np.ascontiguousarray(values).tobytes())
        return told.hexdigest()

    def describe(self) -> dict[str, Any]:
        """How many there are, by class, and how many have captions and parents."""
        known = self.label[self.label >= 0]
        return {
            "samples": len(self),
            "counts": np.bincount(known, minlength=len(self.classes)).tolist(),
            "of_no_class": len(self) - len(known),
            "captions": len(self.captions),
            "with_parent": int((self.parent >= 0).sum()),
            "mean_quality": float(self.quality.mean()) if len(self) else None,
        }

    @staticmethod
    def cat(parts: Sequence[SyntheticSet]) -> SyntheticSet:
        """Several sets one after the other; equal captions become one.

        A column that a part does not have is -1, NaN, False or empty there.

        Raises:
            ValueError: There is no part, or they stand beside different classes, or differ in what
                their samples are.
        """
        if not parts:
            raise ValueError("Expected at least one synthetic set, but got none.")
        first = parts[0]
        for part in parts[1:]:
            if part.classes != first.classes:
                raise ValueError(
                    "Expected synthetic sets of the same classes, but got "
                    f"{len(first.classes)} and {len(part.classes)} that differ."
                )
            ours, theirs = first.spec, part.spec
            if (ours.kind, ours.channels, ours.dtype, ours.scale) != (
                theirs.kind,
                theirs.channels,
                theirs.dtype,
                theirs.scale,
            ):
                raise ValueError(
                    f"Expected synthetic sets of one kind of sample, but got {ours} and {theirs}."
                )
        captions = tuple(sorted({text for part in parts for text in part.captions}))
        place = {text: number for number, text in enumerate(captions)}
        caption = []
        for part in parts:
            renumbered = np.array([*(place[text] for text in part.captions), UNKNOWN])
            caption.append(renumbered[part.caption])
        like = {name: column for part in parts for name, column in part.columns.items()}
        return SyntheticSet(
            samples=Chain([part.samples for part in parts]),
            spec=first.spec,
            classes=first.classes,
            label=np.concatenate([part.label for part in parts]),
            captions=captions,
            caption=np.concatenate(caption),
            parent=np.concatenate([part.parent for part in parts]),
            quality=np.concatenate([part.quality for part in parts]),
            columns={
                name: np.concatenate(
                    [part.columns.get(name, nothing(column, len(part))) for part in parts]
                )
                for name, column in like.items()
            },
        )


class Chain:
    """Several sequences of samples, one after the other.

    Args:
        parts: At least one.
    """

    def __init__(self, parts: Sequence[SampleSequence]) -> None:
        self.parts = tuple(parts)
        self.ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> ImageArray:
        place = range(len(self))[index]  # negative ones count from the end; others raise
        part = int(np.searchsorted(self.ends, place, side="right"))
        return self.parts[part][place - (int(self.ends[part - 1]) if part else 0)]

    def gather(self, index: IntArray, view: int | None = None) -> Vectors:
        """``(n, V, F)`` floats of vectors at some places; those of fewer views repeat theirs.

        Args:
            index: ``(n,)`` int64 places.
            view: Which stored view alone; None for all.
        """
        index = np.asarray(index)
        of = np.searchsorted(self.ends, index, side="right")
        found = []
        for part in np.unique(of):
            start = int(self.ends[part - 1]) if part else 0
            places = np.flatnonzero(of == part)
            found.append((places, gather_vectors(self.parts[part], index[places] - start, view)))
        views = max(vectors.shape[1] for _, vectors in found)
        dtype = np.result_type(*(vectors.dtype for _, vectors in found))
        rows = np.empty((len(index), views, found[0][1].shape[2]), dtype=dtype)
        for places, vectors in found:
            rows[places] = vectors[:, np.arange(views) % vectors.shape[1]]
        return rows


def nothing(like: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """A column of so many values that are not known, of the kind of another column."""
    kind = like.dtype.kind
    empty: Any = {"i": -1, "f": np.nan, "b": False, "u": 0}.get(kind, "")
    dtype = like.dtype if kind in "ifbuUSO" else object
    return np.full((count, *like.shape[1:]), empty, dtype=dtype)


def _in_range(name: str, column: IntArray, stop: int | None) -> None:
    if not len(column):
        return
    least, most = int(column.min()), int(column.max())
    if least < UNKNOWN or (stop is not None and most >= stop):
        bound = "" if stop is None else f" and below {stop}"
        raise ValueError(
            f"Expected `{name}` of each synthetic sample to be at least {UNKNOWN}{bound}, "
            f"but got {least} to {most}."
        )

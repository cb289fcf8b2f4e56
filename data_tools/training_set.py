"""What is trained on: real samples, and synthetic ones after them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.synthetic_set import UNKNOWN, Chain, SyntheticSet, normalised_caption, nothing

CAPTION, PARENT, QUALITY = "caption", "parent", "quality"
"""Columns that a training set with synthetic samples has."""

NO_TEXT = ("", "None", "nan")
"""Texts of a column that stand for nothing."""


@dataclass(frozen=True)
class TrainingSet(SampleSet):
    """Real samples, and synthetic ones after them; those whose label is unknown, -1, come last.

    Its columns hold, beside those of both, ``caption`` (the same number for the same caption, -1
    for none), ``parent`` (the real sample that it was made from; a real sample is its own) and
    ``quality`` in [0, 1] (1 of a real sample).

    Attributes:
        real: How many samples are real: places 0 to ``real`` - 1.
        captions: Texts of the captions by their numbers, normalised.
    """

    real: int = 0
    captions: tuple[str, ...] = ()

    def _check_labels(self) -> None:
        known = self.label[self.label != UNKNOWN]
        if bool((self.label[: self.real] == UNKNOWN).any()):
            raise ValueError("Expected a label of every real sample, but got an unknown one.")
        self._expect_labels(known)

    @property
    def source(self) -> npt.NDArray[np.int8]:
        """``(N + M,)`` int8, 0 of real and 1 of synthetic samples."""
        return (np.arange(len(self)) >= self.real).astype(np.int8)


def real_count(samples: SampleSet) -> int:
    """How many samples of a training set are real; they come first."""
    return samples.real if isinstance(samples, TrainingSet) else len(samples)


def with_synthetic(real: SampleSet, synthetic: SyntheticSet) -> TrainingSet:
    """A training set of real samples and of synthetic ones that have a quality above 0.

    Args:
        real: N real samples.
        synthetic: M synthetic ones, beside the same classes.

    Raises:
        ValueError: Classes or kinds of samples differ, or a parent is not there.
    """
    if synthetic.classes != real.classes:
        raise ValueError(
            f"Expected synthetic samples of the {len(real.classes)} real classes, in their order, "
            f"but got {len(synthetic.classes)} classes."
        )
    _expect_same_kind(real.spec, synthetic.spec)
    if len(synthetic) and int(synthetic.parent.max()) >= len(real):
        raise ValueError(
            f"Expected parents among the {len(real)} real training samples, but got "
            f"{int(synthetic.parent.max())}."
        )
    kept = np.flatnonzero(synthetic.quality > 0)
    unknown_last = np.argsort(synthetic.label[kept] == UNKNOWN, kind="stable")
    synthetic = synthetic.take(kept[unknown_last])
    count = len(real)
    columns = _joined(real, synthetic)
    captions = real.columns.get(CAPTION)
    if captions is None:
        columns[CAPTION] = np.concatenate(
            [np.full(count, UNKNOWN, dtype=np.int64), synthetic.caption]
        )
        texts = synthetic.captions
    else:
        columns[CAPTION], texts = _caption_codes(captions, synthetic)
    columns[PARENT] = np.concatenate([np.arange(count, dtype=np.int64), synthetic.parent])
    columns[QUALITY] = np.concatenate([np.ones(count, dtype=np.float32), synthetic.quality])
    same = real.spec.size == synthetic.spec.size
    return TrainingSet(
        samples=Chain([real.samples, synthetic.samples]),
        label=np.concatenate([real.label, synthetic.label]),
        classes=real.classes,
        columns=columns,
        spec=real.spec if same else replace(real.spec, size=None),
        origin=None,
        real=count,
        captions=texts,
    )


def caption_texts(samples: SampleSet) -> tuple[str, ...]:
    """Texts of the captions that rows have numbers of, by these numbers; none where there are none.

    Args:
        samples: What is trained on.
    """
    if isinstance(samples, TrainingSet):
        return samples.captions
    column = samples.columns.get(CAPTION)
    if column is None or column.dtype.kind in "iufb":
        return ()
    texts = np.setdiff1d(np.asarray([str(value) for value in column]), NO_TEXT)
    return tuple(normalised_caption(text) for text in texts.tolist())


def _joined(real: SampleSet, synthetic: SyntheticSet) -> dict[str, npt.NDArray[Any]]:
    joined = {}
    for name in {**real.columns, **synthetic.columns}:
        ours, theirs = real.columns.get(name), synthetic.columns.get(name)
        like = ours if ours is not None else theirs
        if like is None:
            continue
        ours = nothing(like, len(real)) if ours is None else ours
        theirs = nothing(like, len(synthetic)) if theirs is None else theirs
        if (ours.dtype.kind in "iufb") != (theirs.dtype.kind in "iufb"):
            raise ValueError(
                f"Expected column `{name}` to be numbers of both real and synthetic samples, or "
                f"texts of both, but got {ours.dtype} and {theirs.dtype}."
            )
        joined[name] = np.concatenate([ours, theirs])
    return joined


def _caption_codes(
    captions: npt.NDArray[Any], synthetic: SyntheticSet
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Numbers of captions where real samples have texts as well, and the texts."""
    texts = ["" if str(text) in NO_TEXT else normalised_caption(str(text)) for text in captions]
    known = list(synthetic.captions)
    place = {text: number for number, text in enumerate(known)}
    ours = [UNKNOWN if not text else place.setdefault(text, len(place)) for text in texts]
    return np.concatenate([np.array(ours, dtype=np.int64), synthetic.caption]), tuple(place)


def _expect_same_kind(real: InputSpec, synthetic: InputSpec) -> None:
    told = [(spec.kind, spec.channels, spec.dtype, spec.scale) for spec in (real, synthetic)]
    if told[0] != told[1]:
        names = ("kind", "channels", "dtype", "scale")
        differ = [
            f"{name} {ours} and {theirs}"
            for name, ours, theirs in zip(names, *told, strict=True)
            if ours != theirs
        ]
        raise ValueError(
            f"Expected synthetic samples to be what the real ones are, but got {', '.join(differ)}."
        )

"""Samples that a generator makes of the training set itself, so that a recipe fills its tail."""

from __future__ import annotations

import hashlib
import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from data_tools.mapped_array import MappedArray, place_in_npz
from data_tools.prepared import PreparedData
from data_tools.registry import Part
from data_tools.samples import IntArray, SampleSequence, SampleSet
from data_tools.shot_groups import by_counts
from data_tools.synthetic_set import SyntheticSet
from data_tools.vector_rows import VectorRows
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.synthetic.generator import Asked, Generator, generator
from supcon_ext.synthetic.made_cache import Arrays, made_once, made_place, read_made, write_made
from supcon_ext.synthetic.source import Progress, SyntheticSource, synthetic_source
from supcon_ext.synthetic.trust import read_trust

logger = logging.getLogger(__name__)

AT_ONCE = 256
DECIDING = ("supcon-ext", "torch", "numpy", "albumentations", "diffusers")
"""Packages whose versions may decide what is made."""
GROUPS = ("many", "medium", "few")
Count = Annotated[int, Field(ge=1)]


@synthetic_source("generated")
class Generated(SyntheticSource):
    """Samples of a generator that is fitted on the training set: given labels, trusted samples.

    Say how many by one of ``per_class``, ``fill_to`` and ``quota``. Where the generator knows
    captions of a class, its samples take turns in them. What was made is kept in the cache folder,
    and made again where data, trust, generator or numbers change. Pictures of one size are mapped
    from there, by every process of a machine; where the folder cannot be written, or they differ in
    size, each process has its own.

    Args:
        generator: Who makes them: a name, or ``{kind: NAME, parameter: value}``.
        per_class: So many of each class.
        fill_to: As many as each class lacks to have so many samples, by given labels.
        quota: So many of each class that is named, or of each class of the groups ``many`` (more
            than 100 given labels), ``medium`` and ``few`` (fewer than 20).
        quality: Of every sample, in [0, 1]; filters may lower it.

    Raises:
        ValueError: None of the three numbers is said, or more than one.
    """

    def __init__(
        self,
        generator: Annotated[Generator | str, Part("generator")],
        per_class: Count | None = None,
        fill_to: Count | None = None,
        quota: dict[str, Count] | None = None,
        quality: Annotated[float, Field(ge=0, le=1)] = 1.0,
    ) -> None:
        told = {"per_class": per_class, "fill_to": fill_to, "quota": quota}
        given = [name for name, value in told.items() if value is not None]
        if len(given) != 1:
            raise ValueError(
                "Expected one of `per_class`, `fill_to` and `quota`, "
                f"but got {' and '.join(given) or 'none'}. Try: fill_to: 100"
            )
        self.generator = _registry.make(generator)
        self.per_class = per_class
        self.fill_to = fill_to
        self.quota = quota
        self.quality = quality

    def make(
        self,
        real: PreparedData,
        seed: int,
        progress: Progress | None = None,
    ) -> SyntheticSet:
        """Fit the generator and let it make the samples, or take what it made before.

        Args:
            real: Data of the experiment; nothing but training samples and given labels is looked
                at.
            seed: Decides every draw.
            progress: Where it is None, nothing is shown.

        Raises:
            ValueError: The numbers name no class, the trust is of other data, or the generator
                makes samples of another kind.
        """
        wanted = self._wanted(real)
        trust = None if self.trust is None else read_trust(self.trust, real)
        key = {
            "fingerprint": real.fingerprint,
            "samples": _digest(real.train, trust),
            "generator": f"{type(self.generator).__module__}.{type(self.generator).__qualname__}",
            "settings": self.generator.settings,
            "code": _code(self.generator),
            "seed": seed,
            "versions": {name: _version(name) for name in DECIDING},
        }
        place = made_place({**key, "counts": wanted.tolist()}, ".npz")
        with made_once(place):
            made = read_made(place, "x")
            if made is None:
                shown = progress is not None
                made = self._made(real.train, trust, wanted, seed, made_place(key, ".pt"), shown)
                if made["x"].dtype != object:
                    write_made(place, made)
                    made = read_made(place, "x") or made
            return self._as_set(real.train, made, place)

    def _wanted(self, real: PreparedData) -> IntArray:
        """``(C,)`` int64 how many samples of each class."""
        counts = np.bincount(real.train.label, minlength=len(real.train.classes))
        if self.per_class is not None:
            return np.full_like(counts, self.per_class)
        if self.fill_to is not None:
            return np.maximum(self.fill_to - counts, 0)
        groups, wanted = by_counts(counts), np.zeros_like(counts)
        for name in GROUPS:
            wanted[list(getattr(groups, name))] = (self.quota or {}).get(name, 0)
        for name, number in (self.quota or {}).items():
            if name in real.train.classes:
                wanted[real.train.classes.index(name)] = number
            elif name not in GROUPS:
                raise ValueError(
                    f"Expected a class or a group, many, medium, few, as key of `quota`, but got "
                    f"`{name}`. Try: {', '.join(real.train.classes[:5])}"
                )
        return wanted

    def _made(
        self,
        train: SampleSet,
        trust: Tensor | None,
        wanted: IntArray,
        seed: int,
        fitted: Any,
        shown: bool,
    ) -> dict[str, Any]:
        maker = self.generator
        with _counted(shown, f"fitting {maker.name}", "steps") as steps:
            _fit(maker, train, trust, seed, fitted, steps)
        asked, label = _asked(maker, wanted)
        samples: list[Any] = []
        with _counted(shown, f"making samples with {maker.name}", "samples") as done:
            for start in range(0, len(asked), AT_ONCE):
                samples += maker.samples_or_none(asked[start : start + AT_ONCE], seed)
                done(len(samples), len(asked))
        kept = [row for row, sample in enumerate(samples) if sample is not None]
        if len(kept) < len(samples):
            lost = len(samples) - len(kept)
            logger.warning("%d samples were refused by a safety checker, and left out", lost)
            samples, asked = [samples[row] for row in kept], [asked[row] for row in kept]
            label = label[kept]
        return {
            "x": _stacked(samples),
            "label": label,
            "caption": np.array([what if isinstance(what, str) else "" for what, _ in asked], str),
            "parent": np.array([maker.parent_of(w, k, seed) for w, k in asked], dtype=np.int64),
            "k": np.array([k for _, k in asked], dtype=np.int64),
        }

    def _as_set(self, train: SampleSet, made: Arrays, place: Path) -> SyntheticSet:
        spec, x = train.spec, made["x"]
        samples: SampleSequence = x
        if spec.kind == "image":
            spec = replace(spec, size=None if x.dtype == object else tuple(x.shape[1:3]))
            if isinstance(x, np.memmap):
                samples = MappedArray(place_in_npz(place, "x"))
        elif len(x):
            samples = VectorRows(x)
        return SyntheticSet.of(
            samples,
            spec,
            train.classes,
            label=made["label"],
            captions=[str(text) for text in made["caption"]],
            parent=made["parent"],
            quality=np.full(len(x), self.quality, dtype=np.float32),
            columns={"generator": np.full(len(x), type(self.generator).__name__)},
        )


_registry = generator


def _fit(
    maker: Generator,
    train: SampleSet,
    trust: Tensor | None,
    seed: int,
    kept: Any,
    steps: Callable[[int, int], None],
) -> None:
    """Fit a generator, or take what it was fitted to before, where that takes long."""
    if not maker.trains:
        maker.fit(train, trust, seed, steps)
        return
    try:
        maker.load(kept)
    except (OSError, ValueError):  # not there, damaged, or of another version
        maker.fit(train, trust, seed, steps)
        try:
            maker.save(kept)
        except OSError as error:
            logger.info("the fitted %s could not be kept: %s", maker.name, error)


def _asked(maker: Generator, wanted: IntArray) -> tuple[list[Asked], IntArray]:
    """What is asked for, class by class, and its classes."""
    asked, label = [], []
    unseen = [c for c in np.flatnonzero(wanted).tolist() if not maker.makes(c)]
    if unseen:
        names = ", ".join(maker.classes[c] for c in unseen[:5])
        logger.warning(
            "%s makes no samples of %d classes that have no trusted sample: %s",
            maker.name,
            len(unseen),
            names + (", ..." if len(unseen) > 5 else ""),
        )
    for c in np.flatnonzero(wanted).tolist():
        if c in unseen:
            continue
        captions: Sequence[int | str] = maker.captions_of(c) or (c,)
        for number in range(int(wanted[c])):
            k, turn = divmod(number, len(captions))
            asked.append(Asked(captions[turn], k))
            label.append(c)
    return asked, np.array(label, dtype=np.int64)


def _stacked(samples: list[Any]) -> Any:
    """One array; of objects where pictures differ in size."""
    if len({sample.shape for sample in samples}) <= 1:
        return np.stack(samples) if samples else np.zeros((0,))
    made = np.empty(len(samples), dtype=object)
    made[:] = samples
    return made


def _digest(train: SampleSet, trust: Tensor | None) -> str:
    """What a generator may look at: trusted samples, labels, trust."""
    digest = hashlib.sha256(train.label.astype("<i8").tobytes())
    kept = torch.ones(len(train), dtype=torch.bool) if trust is None else trust > 0.5
    digest.update(kept.numpy().tobytes())
    for place in np.flatnonzero(kept.numpy()):
        sample = np.ascontiguousarray(train[int(place)])
        digest.update(f"{sample.dtype}{sample.shape}".encode())
        digest.update(sample.data)
    return digest.hexdigest()


def _code(maker: Generator) -> str:
    """The digest of the module that has the generator, which its author may change."""
    try:
        source = inspect.getsource(sys.modules[type(maker).__module__])
    except (OSError, TypeError, KeyError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


class _counted(CountedProgress):
    """Progress that may be shown nowhere."""

    def __init__(self, shown: bool, what: str, unit: str) -> None:
        super().__init__(what, unit)
        self._shown = shown

    def __call__(self, done: int, total: int) -> None:
        if self._shown:
            super().__call__(done, total)

"""What a generator is: fitted on the trusted samples of a set, it makes further ones.

Shape letters: N real training samples, n samples made at once.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from data_tools.border import refuse
from data_tools.input_spec import InputSpec
from data_tools.registry import Registry, part_name
from data_tools.samples import ImageArray, IntArray, SampleSet
from data_tools.synthetic_set import UNKNOWN, normalised_caption
from data_tools.whole_file import whole_file

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""

FORMAT = 1
G = TypeVar("G", bound="Generator")


class Asked(NamedTuple):
    """One sample that is asked for.

    Attributes:
        what: A class by its place, or a caption.
        k: Which of its samples, from 0.
    """

    what: int | str
    k: int


class Generator(ABC):
    """Makes samples of a class or of a caption.

    What is made follows from ``(what, k, seed)`` alone: not from the order, nor from what is asked
    for at the same time. Parameters of ``__init__`` are kept as attributes of the same names.

    Attributes:
        spec: What the samples are, as those of the set that it was fitted on.
        classes: Names of the classes.
        counts: ``(C,)`` int64 samples of each class that it was fitted on.
    """

    trains: ClassVar[bool] = False
    """Whether fitting takes long enough that what was fitted is worth keeping."""

    spec: InputSpec
    classes: tuple[str, ...] = ()
    counts: IntArray

    def fit(
        self,
        real: SampleSet,
        trust: Tensor | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """Learn from real samples, of which only trusted ones are looked at.

        Args:
            real: N training samples with their given labels.
            trust: ``(N,)`` in [0, 1]; above 0.5 is trusted. None trusts all.
            seed: Decides every draw.
            progress: Told how far it is.

        Raises:
            ValueError: There is no trusted sample, or the samples are not of a kind that it makes.
        """
        kept = _trusted(real, trust)
        self.spec, self.classes = real.spec, tuple(real.classes)
        self.counts = np.bincount(real.label[kept], minlength=len(real.classes)).astype(np.int64)
        self._fit(real, kept, seed, progress or (lambda done, total: None))

    @abstractmethod
    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        """Learn from the samples at the ``(n,)`` ascending places ``trusted``, and no others."""

    @abstractmethod
    def _make(self, asked: Sequence[Asked], seed: int) -> Sequence[ImageArray | None]:
        """A sample for each that is asked for; ``what`` is as :meth:`settled` gives it.

        None stands for one that must not be had, which a safety checker refused.
        """

    def expect_ready(self) -> None:
        """See that it can make samples, and load what it needs for that.

        Raises:
            ValueError: It is not fitted, and has to be.
        """
        if not self.classes:
            raise ValueError(
                f"Expected a fitted {self.name}, but it is not. Try: fit, or load, before; on the "
                "command line, --data"
            )

    def samples(self, asked: Sequence[Asked], seed: int) -> list[ImageArray]:
        """The samples that are asked for, in this order, each of the spec's kind and type.

        Raises:
            ValueError: One is of no class or caption that it makes, or was refused.
        """
        made = self.samples_or_none(asked, seed)
        kept = [sample for sample in made if sample is not None]
        if len(kept) < len(made):
            what, k = asked[next(i for i, sample in enumerate(made) if sample is None)]
            raise ValueError(
                f"Expected sample {k} of `{what}`, but the safety checker of the {self.name} "
                "refuses it. Try: samples_or_none"
            )
        return kept

    def samples_or_none(self, asked: Sequence[Asked], seed: int) -> list[ImageArray | None]:
        """The same, with None for each that a safety checker refused.

        Raises:
            ValueError: One is of no class or caption that it makes.
        """
        self.expect_ready()
        settled = [Asked(self.settled(what), k) for what, k in asked]
        made = list(self._make(settled, seed)) if settled else []
        if len(made) != len(asked):
            raise refuse(self.name, f"{len(asked)} samples", f"{len(made)}")
        for sample in made:
            if sample is not None:
                self._expect_sample(sample)
        return made

    def _expect_sample(self, sample: ImageArray) -> None:
        spec = self.spec
        said, axes = {"image": ("(H, W, C)", (3,)), "vector": ("(F,)", (1, 2))}[spec.kind]
        shape, dtype = np.shape(sample), getattr(sample, "dtype", type(sample).__name__)
        if len(shape) not in axes or shape[-1] != spec.channels or dtype != spec.dtype:
            expected = f"a {spec.dtype} array {said} whose last axis is {spec.channels}"
            raise refuse(self.name, expected, f"{dtype} {shape}")

    def sample(self, what: int | str, k: int, seed: int) -> ImageArray:
        """Sample ``k`` of a class, by its place or name, or of a caption."""
        return self.samples([Asked(what, k)], seed)[0]

    def captions_of(self, label: int) -> tuple[str, ...]:
        """The captions that it knows of a class; none where it knows classes alone."""
        return ()

    def prompt_of(self, label: int) -> str:
        """What a class is asked for by, where that is a text; empty where it is not."""
        return ""

    def makes(self, label: int) -> bool:
        """Whether it can make samples of a class: it has seen one."""
        return bool(self.counts[label] > 0)

    def parent_of(self, what: int | str, k: int, seed: int) -> int:
        """Place in the training set of the sample that sample ``k`` is made from; -1 for none."""
        return UNKNOWN

    def settled(self, what: int | str) -> int | str:
        """What is asked for as it is kept: a class by its place, a caption normalised.

        Raises:
            ValueError: It is of no class or caption that it makes.
        """
        if isinstance(what, str):
            if what in self.classes:
                return self.settled(self.classes.index(what))
            text = normalised_caption(what)
            known = [caption for c in range(len(self.classes)) for caption in self.captions_of(c)]
            if text in known:
                return text
            told = known or self.classes
            raise ValueError(
                f"Expected a class or a caption that the {self.name} makes, but got `{what}`. "
                f"Try: {', '.join(told[:3])}"
            )
        place = int(what)
        if not 0 <= place < len(self.classes):
            raise ValueError(
                f"Expected a class of [0, {len(self.classes)}) of argument `what`, but got {what}."
            )
        if not self.makes(place):
            raise ValueError(
                f"Expected a class with trusted samples, but {self.classes[place]} has none for "
                f"the {self.name} to learn from."
            )
        return place

    @property
    def name(self) -> str:
        """What messages call it."""
        return part_name("generator", self)

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters that it was made with."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def state(self) -> dict[str, Any]:
        """What fitting found: tensors, numbers, texts, lists and dictionaries of such."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state` gave.

        Raises:
            ValueError: The state is not this generator's.
        """
        if state:
            raise ValueError(
                f"Expected an empty state for {self.name}, which takes none, but got "
                f"{', '.join(sorted(state))}. Try: a `load_state` beside its `state`."
            )

    def save(self, path: str | Path) -> None:
        """Write what was fitted to a file, whole or not at all."""
        spec = {name: getattr(self.spec, name) for name in InputSpec.__dataclass_fields__}
        whole = {
            "format": FORMAT,
            "generator": f"{type(self).__module__}.{type(self).__qualname__}",
            "settings": self.settings,
            "spec": spec,
            "classes": list(self.classes),
            "counts": torch.from_numpy(self.counts),
            "state": self.state(),
        }
        with whole_file(path) as draft:
            torch.save(whole, draft)

    def load(self, path: str | Path) -> None:
        """Take what another of the same class and settings was fitted to.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It holds no such generator.
        """
        whole = _read(Path(path))
        of = f"{type(self).__module__}.{type(self).__qualname__}"
        if whole["generator"] != of or whole["settings"] != self.settings:
            raise ValueError(
                f"Expected a {self.name} of the settings {self.settings} in {path}, but got "
                f"{whole['generator']} of {whole['settings']}."
            )
        self._take(whole)

    def _take(self, whole: Mapping[str, Any]) -> None:
        size = whole["spec"]["size"]
        self.spec = InputSpec(
            **{**whole["spec"], "size": None if size is None else (int(size[0]), int(size[1]))}
        )
        self.classes = tuple(whole["classes"])
        self.counts = whole["counts"].numpy()
        self.load_state(whole["state"])


def load_generator(path: str | Path) -> Generator:
    """The fitted generator that :meth:`Generator.save` wrote, of any member of the family.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds none.
    """
    whole = _read(Path(path))
    try:
        made = generator.get(whole["generator"]).make(**whole["settings"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"Expected a generator in {path}, but {error.args[0]}.") from error
    made._take(whole)
    return made


generator = Registry[Generator]("generator", "supcon_ext.synthetic.generators")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of a generator, but {path} does not exist.")
    try:
        whole: dict[str, Any] = torch.load(path, weights_only=True)
        if whole["format"] == FORMAT:
            return whole
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        raise ValueError(
            f"Expected a file that a generator was saved to, but {path} is none."
        ) from error
    raise ValueError(f"Expected format {FORMAT} in {path}, but got {whole['format']}.")


def _trusted(real: SampleSet, trust: Tensor | None) -> IntArray:
    """The places of trusted samples."""
    if trust is None:
        kept = np.arange(len(real), dtype=np.int64)
    else:
        if trust.shape != (len(real),):
            raise ValueError(
                f"Expected one trust for each of the {len(real)} samples, "
                f"but got shape {tuple(trust.shape)}."
            )
        kept = np.flatnonzero(trust.numpy() > 0.5).astype(np.int64)
    if not len(kept):
        raise ValueError(
            "Expected a sample with a trust above 0.5 to fit a generator on, but got none."
        )
    return kept

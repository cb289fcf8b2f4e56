"""What every data set of this toolkit is: samples that can be read by index, labels, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import InputSpec

IntArray = npt.NDArray[np.int64]
ImageArray = npt.NDArray[np.uint8 | np.uint16 | np.float32]


_TOLD_BY_THE_SAMPLES = InputSpec("image", 1, "uint8", None, 1.0)  # stands for "not given"


class SampleSequence(Protocol):
    """Samples by index: an ``(N, H, W, C)`` array, or a list of files read on demand."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ImageArray:
        """Sample ``index`` as an array; what it is, the set's :class:`InputSpec` says."""
        ...


@dataclass(frozen=True)
class TakenFrom:
    """Where the samples of a part of a data set stood in the whole.

    Attributes:
        index: ``(n,)`` int64 places in the whole.
        size: Number of samples of the whole.
    """

    index: IntArray
    size: int


@dataclass(frozen=True)
class SampleSet:
    """One split of a data set.

    Attributes:
        samples: N samples. ``samples[i]`` and ``set[i]`` are arrays of the spec's kind and type:
            images ``(H, W, C)``, whose sizes may differ between files; vectors ``(F,)``, or
            ``(V, F)`` where V views of each are stored.
        label: ``(N,)`` int64 in ``[0, C)``, the label as the data set ships it.
        classes: Names of the C classes.
        columns: Whatever else is known of each sample, N values a column (a manifest's
            extra columns; ``path`` where the samples are files).
        spec: What the samples are; told by themselves where it is not given.
        origin: Where the samples stood in the set that :meth:`take` took them from, through any
            number of takes; None for a whole set.
    """

    samples: SampleSequence
    label: IntArray
    classes: tuple[str, ...]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    spec: InputSpec = _TOLD_BY_THE_SAMPLES
    origin: TakenFrom | None = None

    def __post_init__(self) -> None:
        if self.spec is _TOLD_BY_THE_SAMPLES:
            object.__setattr__(self, "spec", InputSpec.of(self.samples))
        count = len(self.samples)
        if self.label.shape != (count,):
            raise ValueError(
                f"Expected one label for each of the {count} samples, "
                f"but got shape {self.label.shape}"
            )
        self._check_labels()
        for name, column in self.columns.items():
            if len(column) != count:
                raise ValueError(
                    f"Expected {count} values in column `{name}`, but got {len(column)}"
                )

    def _check_labels(self) -> None:
        self._expect_labels(self.label)

    def _expect_labels(self, label: IntArray) -> None:
        if len(label) and not 0 <= int(label.min()) <= int(label.max()) < len(self.classes):
            raise ValueError(
                f"Expected labels in [0, {len(self.classes)}), but got "
                f"{int(label.min())} to {int(label.max())}"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> ImageArray:
        """Sample ``index``."""
        return self.samples[index]

    def take(self, index: IntArray) -> SampleSet:
        """The samples at these positions, in this order, without reading them."""
        if self.origin is None:
            origin = TakenFrom(np.asarray(index, dtype=np.int64), len(self))
        else:
            origin = TakenFrom(self.origin.index[index], self.origin.size)
        return SampleSet(
            samples=Subset(self.samples, index),
            label=self.label[index],
            classes=self.classes,
            columns={name: column[index] for name, column in self.columns.items()},
            spec=self.spec,
            origin=origin,
        )


class Subset:
    """Some of the samples of another sequence, read when asked for.

    Args:
        samples: Where the samples are.
        index: ``(n,)`` int64 positions in ``samples``.
    """

    def __init__(self, samples: SampleSequence, index: IntArray) -> None:
        inner = samples if isinstance(samples, Subset) else None
        self.samples: SampleSequence = samples if inner is None else inner.samples
        self.index: IntArray = np.asarray(index if inner is None else inner.index[index], np.int64)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> ImageArray:
        return self.samples[int(self.index[position])]

"""What an evaluator is given, and what it gives back.

An evaluator is fitted on the training features with their *given* labels and scored on one named
split. The true labels of the training and validation samples have no place in
:class:`EvaluationInput`, so no evaluator can learn from them or select on them.

Shape letters: N samples, F backbone features, D embedding, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

from data_tools.registry import Registry

if TYPE_CHECKING:
    from data_tools.samples import SampleSequence
    from data_tools.shot_groups import ShotGroups
    from supcon_ext.evaluation.tunable import Tunable

Split = Literal["validation", "test"]
Space = Literal["features", "projection"]


@dataclass(frozen=True, eq=False)
class Embedded:
    """One split as the trained network sees it, in evaluation mode.

    Attributes:
        features: ``(N, F)`` float32, finite: what the backbone gives, before the projector.
        z: ``(N, D)`` float32, unit norm: what the projector gives.
        logits: ``(N, C)`` float32, finite; None where no classifier was trained.
        label: ``(N,)`` int64 in ``[0, C)``: given labels of training and validation samples, true
            labels of test samples.
        index: ``(N,)`` int64, the samples' places in the data set.
        samples: The N samples themselves, without labels, for evaluators that train an encoder;
            None where only features are known.

    Raises:
        ValueError: Another number of rows, another dtype, or a value that is not finite.
    """

    features: Tensor
    z: Tensor
    logits: Tensor | None
    label: Tensor
    index: Tensor
    samples: SampleSequence | None = None

    def __post_init__(self) -> None:
        rows = len(self.label)
        for name, ndim, dtype in (
            ("features", 2, torch.float32),
            ("z", 2, torch.float32),
            ("logits", 2, torch.float32),
            ("label", 1, torch.int64),
            ("index", 1, torch.int64),
        ):
            value: Tensor | None = getattr(self, name)
            if value is None:
                continue
            if value.ndim != ndim or len(value) != rows or value.dtype != dtype:
                raise ValueError(
                    f"Expected {rows} rows in {ndim} dimensions of {dtype} of argument `{name}`, "
                    f"but got shape {tuple(value.shape)} of {value.dtype}."
                )
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise ValueError(
                    f"Expected finite values of argument `{name}`, but got NaN or infinity: "
                    "the network has diverged. Try: a lower learning rate."
                )
        if self.samples is not None and len(self.samples) != rows:
            raise ValueError(
                f"Expected {rows} samples of argument `samples`, but got {len(self.samples)}."
            )

    def __len__(self) -> int:
        return len(self.label)

    def vectors(self, space: Space) -> Tensor:
        """``features`` of the backbone, or ``projection``: :attr:`z`.

        Raises:
            ValueError: Another space.
        """
        if space not in ("features", "projection"):
            raise ValueError(
                f"Expected 'features' or 'projection' of argument `space`, but got {space!r}."
            )
        return self.features if space == "features" else self.z


@dataclass(frozen=True, eq=False)
class EvaluationInput:
    """Everything that an evaluator may look at.

    Attributes:
        train: The training samples with their given labels.
        validation: The validation samples with their given labels, if any were set aside.
        test: The test samples with their true labels; None where the test set must stay shut.
        classes: Names of the C classes.
        groups: Which classes have many, a medium number of, or few training samples.
        seed: Seed of whatever an evaluator draws.
        augmented: ``augmented(epoch)`` gives ``(N, F)`` float32 features of the training samples,
            in the order of ``train``, under training augmentation; None where only the plain
            features are known.
        encoder: The encoder itself, for evaluators that train a copy; None where only features are
            known.
        fits: What predictors fitted on this input, so that two splits, or a calibration of a probe,
            cost one fit. A changed copy (:func:`dataclasses.replace`) starts without any.
    """

    train: Embedded
    validation: Embedded | None
    test: Embedded | None
    classes: tuple[str, ...]
    groups: ShotGroups
    seed: int = 0
    augmented: Callable[[int], Tensor] | None = None
    encoder: Tunable | None = None
    fits: dict[Hashable, Any] = field(init=False, default_factory=dict, repr=False)

    def part(self, split: Split) -> Embedded:
        """The samples of a split.

        Raises:
            ValueError: The split is absent or empty, or has another name.
        """
        if split not in ("validation", "test"):
            raise ValueError(
                f"Expected 'validation' or 'test' of argument `split`, but got {split!r}."
            )
        part = self.validation if split == "validation" else self.test
        if part is None or len(part) == 0:
            raise ValueError(
                f"Expected samples in the {split} split, but got none. "
                "Try: a recipe that sets some aside."
            )
        return part


@dataclass(frozen=True, eq=False)
class Prediction:
    """What was predicted for each sample of a split, and what is so.

    Attributes:
        probabilities: ``(N, C)`` float32 in ``[0, 1]``, rows summing to 1, on the CPU.
        label: ``(N,)`` int64 in ``[0, C)``, on the CPU.

    Raises:
        ValueError: No sample, shapes that do not fit, a label out of range, or rows that are no
            distribution.
    """

    probabilities: Tensor
    label: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.probabilities.shape)
        if len(shape) != 2 or tuple(self.label.shape) != shape[:1] or 0 in shape:
            raise ValueError(
                "Expected (N, C) of argument `probabilities` and (N,) of argument `label`, N > 0, "
                f"but got {shape} and {tuple(self.label.shape)}."
            )
        low, high = int(self.label.min()), int(self.label.max())
        if low < 0 or high >= shape[1]:
            raise ValueError(
                f"Expected class ids in [0, {shape[1]}) of argument `label`, "
                f"but got {low} to {high}."
            )
        error = float((self.probabilities.sum(1) - 1).abs().max())
        if not error < 1e-3 or float(self.probabilities.min()) < 0:
            raise ValueError(
                "Expected rows that are distributions of argument `probabilities`, but got a row "
                f"whose sum is {error:.3g} away from 1 or a value below 0."
            )

    @property
    def predicted(self) -> Tensor:
        """``(N,)`` int64: the most probable class, the lowest of several."""
        return self.probabilities.argmax(dim=1)


@dataclass(frozen=True, eq=False)
class Report:
    """What an evaluator found on one split.

    Attributes:
        metrics: Numbers by name (``accuracy``), never NaN: what does not apply is left out.
        predictions: By split, where the evaluator predicts classes.
        figures: By name: called with a path, each draws itself there.
        tables: By name: rows of column to value.
    """

    metrics: dict[str, float]
    predictions: dict[str, Prediction] = field(default_factory=dict)
    figures: dict[str, Callable[[Path], None]] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Evaluator(Protocol):
    """A measure of a trained encoder.

    Attributes:
        requires: What it needs beyond features: ``"logits"`` of a trained classifier, the
            ``"encoder"`` itself with the samples.

    One may say ``needs_validation = True`` where it selects on the validation samples, and
    ``needs_training = False`` where it is not fitted on the training samples. ``encoder_passes``
    are those over the training samples beside the one that gives their features, for the time left:
    how many only look at them, and how many train a copy of the encoder; ``(0, 0)`` if it does not
    say.
    """

    @property
    def requires(self) -> frozenset[str]:
        """What must have been trained, beyond the encoder."""
        ...

    def evaluate(self, data: EvaluationInput, split: Split) -> Report:
        """Fit on the training samples, score on ``split``.

        Raises:
            ValueError: The split is absent, or something that the evaluator requires is.
        """
        ...


evaluator = Registry[Evaluator]("evaluator", "supcon_ext.evaluation")

"""What a data set function returns, and the registry that knows them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from data_tools.registry import Registry
from data_tools.samples import SampleSet

Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Splits:
    """A data set as it comes, before noise and imbalance are added.

    Attributes:
        train: Training images with the labels that the data set ships.
        test: Test images, or None.
        truth_known: Whether the training labels are known to be right (a curated benchmark). Where
            they are not, a truth exists only relative to injected noise.
        validation: Validation images that the data set ships apart from ``train``, or None.
        made_by: Plain values that say what made the samples, if they know: a vector file's encoder,
            weights and policy. Part of the made data's settings, and so of its fingerprint.
    """

    train: SampleSet
    test: SampleSet | None
    truth_known: bool
    validation: SampleSet | None = None
    made_by: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, part in (("test", self.test), ("validation", self.validation)):
            if part is not None and part.classes != self.train.classes:
                raise ValueError(
                    f"Expected the {len(self.train.classes)} classes of the training set, in the "
                    f"same order, in the {name} set, but got {len(part.classes)} classes."
                )


class NoTrainingSamplesError(ValueError):
    """A data set has labelled samples, but none to train on.

    Args:
        file: Where they are.
        source: What there is; its training set is empty. For whoever does not train.
    """

    def __init__(self, file: str | Path, source: Splits) -> None:
        super().__init__(
            f"Expected a row with split `train` in {file}, but got none. Try: train for some rows."
        )
        self.source = source


dataset = Registry[Splits]("dataset", "data_tools.datasets")

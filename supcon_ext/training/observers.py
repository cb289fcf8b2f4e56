"""Who is told what the loop does: none of them changes what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, SupportsFloat

from torch import Tensor

from supcon_ext.models.network import Network
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection


class Recorder(Protocol):
    """Where the loop's numbers go."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers at a step."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Record labels of the run."""


class Progress(Protocol):
    """Who watches the loop."""

    def start_stage(
        self,
        name: str,
        epochs: int,
        steps_per_epoch: int,
        done_epochs: int = 0,
        done_steps: int = 0,
    ) -> None:
        """A stage starts, or goes on."""

    def step(self, loss: SupportsFloat | None = None) -> None:
        """A step was made."""

    def epoch_end(self, metrics: Mapping[str, float]) -> None:
        """An epoch ended."""

    def warn(self, message: str) -> None:
        """Something the user should know."""


Validate = Callable[[Network], dict[str, float]]
"""Numbers of the network as it is; ``score`` among them decides which epoch is best."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One selection, as an observer sees it.

    Attributes:
        selection: What was selected.
        bank: What it was made from.
        selector: Who made it; its pair rule is that of the coming epoch. None if no term says.
        stage: Name of the stage.
        epoch: Epochs of the run that are done.
        predicted: ``(N,)`` int64 classes that the classifier predicts; None where the stage does
            not train it, or the selection took no pass over the training set.
    """

    selection: Selection
    bank: SampleBank
    selector: PositiveSelector | None
    stage: str
    epoch: int
    predicted: Tensor | None = None


Observe = Callable[[Refreshed], Mapping[str, float]]

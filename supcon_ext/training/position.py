"""How far a run is."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Position:
    """How far a run is.

    Attributes:
        stage: Its number.
        epoch: Epochs of the stage that are done.
        step: Steps of the epoch that are done.
        global_step: Steps of the run that are done.
        epochs_done: Epochs of the run that are done.
        best: Score of the best epoch.
        best_epoch: Which that was.
        seconds: Spent in training.
        unvalidated: The epoch is over, but not its validation.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    global_step: int = 0
    epochs_done: int = 0
    best: float = -math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    unvalidated: bool = False

    def next_epoch(self) -> None:
        """An epoch is over."""
        self.epoch += 1
        self.epochs_done += 1
        self.step = 0

    def next_stage(self) -> None:
        """A stage is over."""
        self.stage += 1
        self.epoch = self.step = 0

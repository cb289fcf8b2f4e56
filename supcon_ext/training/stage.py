"""What the loop is given: its stages, the data that it may see, and how it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from data_tools.samples import SampleSet
from supcon_ext.feed.base import GroupPlan
from supcon_ext.objectives.base import Objective
from supcon_ext.policies.base import View
from supcon_ext.samplers.base import Sampler
from supcon_ext.samplers.shuffled import Shuffled


@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of training, made into objects.

    Attributes:
        name: Of the stage, unique in the run.
        epochs: How many.
        batch_size: Samples in a batch over all processes.
        groups: What a batch holds of each sample.
        objective: What is minimised.
        optimizer: Makes the optimiser of a module's parameters.
        factor: Learning-rate factor at an epoch position, of so many epochs.
        clip_norm: Largest gradient norm, or None.
        weight_decay_end: Weight decay that decaying parameters reach, or None.
        drop_last: Leave out the last, smaller batch of an epoch.
        sampler: Which samples an epoch visits.
        reset: Heads (``projector``, ``classifier``) that start the stage with new weights.
    """

    name: str
    epochs: int
    batch_size: int
    groups: tuple[GroupPlan, ...]
    objective: Objective
    optimizer: Callable[[nn.Module], Optimizer]
    factor: Callable[[float, float], float]
    clip_norm: float | None
    drop_last: bool
    sampler: Sampler = field(default_factory=Shuffled)
    reset: Sequence[str] = ()
    weight_decay_end: float | None = None

    @property
    def views(self) -> int:
        """Views of each sample, of all groups."""
        return sum(group.count for group in self.groups)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What training may see: given labels, and true ones only where the oracle asks for them.

    Attributes:
        train: With given labels.
        validation: With given labels, or None.
        plain: The view that evaluation uses.
        labels_hash: Hash of the given labels; a checkpoint of other labels is refused.
        truth: ``(N,)`` int64 true labels; None unless a selector of the recipe requires ``truth``.
    """

    train: SampleSet
    validation: SampleSet | None
    plain: View
    labels_hash: str
    truth: Tensor | None = None


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop runs.

    Attributes:
        seed: Of every draw.
        folder: Where checkpoints go.
        checkpoint_every: Epochs between checkpoints.
        keep_best: Keep the network that was best on validation.
        validate_every: Epochs between validations; 0 for none.
        neighbours: How the nearest neighbours of the bank are searched.
    """

    seed: int
    folder: Path
    checkpoint_every: int = 1
    keep_best: bool = True
    validate_every: int = 1
    neighbours: Literal["exact", "faiss"] = "exact"

"""Labels, trust and roles of the moment: what is believed of the training set, and who is visited.

At first every given label is believed. What a selection says, and images that can no longer be
read, change that at the start of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from data_tools.randomness import keyed_generator
from data_tools.samples import IntArray, SampleSet
from data_tools.training_set import QUALITY, TrainingSet
from supcon_ext.feed.base import Batch, Group
from supcon_ext.losses.rows import Source
from supcon_ext.objectives.base import Beliefs
from supcon_ext.samplers.base import SamplerInput, asked_order
from supcon_ext.samplers.shuffled import Shuffled
from supcon_ext.selectors.base import Role, Selection
from supcon_ext.training.columns import row_columns
from supcon_ext.training.gone import GoneImages
from supcon_ext.training.stage import Stage


class TrainingBeliefs:
    """What is believed of the training set now.

    Args:
        train: With given labels.
        device: Where beliefs are kept.
        warn: Told of images that are found to be gone.

    Attributes:
        given: ``(N,)`` int64 given labels, on the CPU; -1 of a synthetic sample of no known class.
        real: How many samples are real, the first ones; None where all are.
        now: What is believed.
        gone: Which images can no longer be read.
    """

    def __init__(self, train: SampleSet, device: torch.device, warn: Callable[[str], None]) -> None:
        self.given = torch.from_numpy(train.label)
        self.real = train.real if isinstance(train, TrainingSet) else None
        self.classes = len(train.classes)
        self.device = device
        self.now = Beliefs(
            label=self.given.to(device),
            trust=torch.ones(len(self.given), device=device),
            role=torch.zeros(len(self.given), dtype=torch.int8, device=device),
            columns=row_columns(train.columns, device),
        )
        if isinstance(train, TrainingSet):
            self.now.source = torch.from_numpy(train.source).to(device)
            self.now.trust = self._times_quality(self.now.trust)
        self.gone = GoneImages(train, warn)

    @property
    def counts(self) -> Tensor:
        """``(C,)`` int64 samples of each given label."""
        return torch.bincount(self.given[self.given >= 0], minlength=self.classes)

    @property
    def real_counts(self) -> Tensor:
        """``(C,)`` int64 real samples of each given label."""
        return torch.bincount(self.given[: self.real], minlength=self.classes)

    def believe(self, selection: Selection) -> None:
        """Take labels, trust and roles from a selection; quality limits trust."""
        self._take(selection)
        self.now.trust = self._times_quality(self.now.trust)

    def _take(self, selection: Selection) -> None:
        self.now.label = selection.label.to(self.device)
        self.now.trust = selection.trust.to(self.device)
        self.now.role = selection.role.to(self.device)
        posterior = selection.posterior
        self.now.posterior = None if posterior is None else posterior.to(self.device)

    def _times_quality(self, trust: Tensor) -> Tensor:
        return trust if self.real is None else trust * self.now.columns[QUALITY]

    def of_batch(self, batch: Batch) -> tuple[dict[str, Group], Beliefs]:
        """A batch on the device, and what is believed in its step: of a blank, nothing is."""
        groups, blanks, places = {}, [], []
        for name, group in batch.items():
            place, blank = self.gone.places(group.sample)
            places.append(place)
            blanks.append(blank)
            groups[name] = group._replace(
                x=group.x.to(self.device, non_blocking=True), sample=place.to(self.device)
            )
        return groups, self.gone.believed(self.now, torch.cat(places), torch.cat(blanks))

    def order(self, stage: Stage, epoch: int, seed: int) -> IntArray | None:
        """The samples of the coming epoch in order; None visits each once, as the feed draws.

        Args:
            stage: Whose sampler is asked.
            epoch: Epochs of the stage that are done.
            seed: Of the stage's sampler.
        """
        dropped = self.now.role == int(Role.DROPPED)
        plain = isinstance(stage.sampler, Shuffled) and stage.sampler.only == "all"
        if plain and not bool(dropped.any()):
            return None
        order = asked_order(
            stage.sampler,
            SamplerInput(
                label=self.now.label.cpu().numpy(),
                trusted=((self.now.trust > 0.5) & ~dropped).cpu().numpy(),
                classes=self.classes,
                batch_size=stage.batch_size,
                epoch=epoch,
                epochs=stage.epochs,
                generator=keyed_generator(seed, epoch),
                synthetic=None
                if self.now.source is None
                else self.now.source.cpu().numpy() == int(Source.SYNTHETIC),
                columns={name: column.cpu().numpy() for name, column in self.now.columns.items()},
            ),
        )
        kept: IntArray = order[~dropped.cpu().numpy()[order]]
        return kept

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of the beliefs, on the CPU."""
        now = self.now
        return {
            "label": now.label.cpu(),
            "trust": now.trust.cpu(),
            "role": now.role.cpu(),
            "posterior": None if now.posterior is None else now.posterior.cpu(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Believe what a checkpoint holds."""
        self._take(
            Selection(state["trust"], state["label"], state["role"], posterior=state["posterior"])
        )

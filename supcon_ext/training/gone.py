"""Training images that can no longer be read, where the recipe says to skip such images.

A blank stands in for one until the epoch ends, and teaches nothing: its label is unknown and its
trust is 0 in that batch. From the next epoch on the sample is dropped. Checkpoints keep which ones
are gone, so a run that goes on gives the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from data_tools.printable import printable
from data_tools.samples import SampleSet
from supcon_ext.losses.gather import world_size
from supcon_ext.objectives.base import Beliefs
from supcon_ext.selectors.base import Role

NAMED = 3


class GoneImages:
    """Which of N training images are gone.

    Args:
        images: The training images.
        warn: Told of images that are found to be gone.
    """

    def __init__(self, images: SampleSet, warn: Callable[[str], None]) -> None:
        self.images = images
        self.warn = warn
        self.mask = torch.zeros(len(images), dtype=torch.bool)

    @property
    def count(self) -> int:
        """How many are gone."""
        return int(self.mask.sum())

    def places(self, index: Tensor, images: SampleSet | None = None) -> tuple[Tensor, Tensor]:
        """The samples of a batch, and which of them are blanks; new ones are told of.

        Args:
            index: ``(B,)`` int64 as data sets of views give it: ``~i`` for the blank of sample i.
            images: Where the samples come from; None for the training images.

        Returns:
            ``(B,)`` int64 places, and ``(B,)`` bool.
        """
        blank = index < 0
        index = torch.where(blank, ~index, index)
        if bool(blank.any()):
            self._note(index[blank], images)
        return index, blank

    def believed(self, samples: Beliefs, index: Tensor, blank: Tensor) -> Beliefs:
        """The samples as one batch may believe them: of a blank nothing is known."""
        if not bool(blank.any()):
            return samples
        gone = index[blank].to(samples.label.device)
        return dataclasses.replace(
            samples,
            label=samples.label.index_fill(0, gone, -1),
            trust=samples.trust.index_fill(0, gone, 0.0),
        )

    def drop(self, samples: Beliefs) -> None:
        """At an epoch's start: what any process found to be gone is visited no more."""
        if world_size() > 1:
            found = self.mask.to(samples.trust.device, torch.float32)
            dist.all_reduce(found, dist.ReduceOp.MAX)
            self._note(found.cpu().nonzero().flatten(), None)
        if not self.count:
            return
        gone = self.mask.to(samples.trust.device)
        samples.trust = samples.trust.masked_fill(gone, 0.0)
        samples.role = samples.role.masked_fill(gone, int(Role.DROPPED))

    def _note(self, index: Tensor, images: SampleSet | None) -> None:
        # views of an image, and visits of it, are one
        index = torch.tensor(sorted({*index.tolist()}), dtype=torch.int64)
        training = images is None or images is self.images
        if training:
            index = index[~self.mask[index]]
            self.mask[index] = True
        if not len(index):
            return
        part = self.images if images is None else images
        paths = part.columns.get("path")
        names = [printable(i if paths is None else paths[i]) for i in index[:NAMED].tolist()]
        told = ", ".join([*names, *(["..."] if len(index) > NAMED else [])])
        what = "left out from the next epoch on" if training else "a blank image stands in for each"
        self.warn(f"{len(index)} images can no longer be read, {what}: {told}")

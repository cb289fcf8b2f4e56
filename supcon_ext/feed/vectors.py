"""Batches of vectors, gathered whole from memory: no worker processes, no picture by picture.

Letters: B samples of a batch, V stored views, F coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from data_tools.samples import IntArray, SampleSet
from data_tools.vector_rows import gather_vectors
from supcon_ext.feed.base import Batch, Draw, EpochPlan, Group, GroupPlan
from supcon_ext.feed.batches import BatchedFeed, EpochBatches
from supcon_ext.policies.base import View
from supcon_ext.policies.keyed import padded


class VectorFeed(BatchedFeed):
    """A :class:`~supcon_ext.feed.base.Feed` of vectors that are in memory, or mapped into it.

    Batches and draws are those that any other feed would give: they follow from (seed, epoch,
    sample, view).

    Args:
        samples: The training set.
        rank: This process's place among those that train.
        world: How many train.
    """

    def stage(
        self,
        groups: Sequence[GroupPlan],
        batch_size: int,
        *,
        views_seed: int,
        order_seed: int,
        drop_last: bool,
    ) -> VectorStageFeed:
        """See :meth:`~supcon_ext.feed.base.Feed.stage`."""
        if not groups:
            raise ValueError("Expected at least one view in argument `views`, but got none")
        batches = self.batches(batch_size, order_seed, drop_last)
        return VectorStageFeed(self.samples, groups, views_seed, batches)

    def plain(
        self,
        samples: SampleSet,
        view: View,
        places: Tensor,
        batch_size: int,
        key: Draw | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`~supcon_ext.feed.base.Feed.plain`."""
        for part in torch.split(places, batch_size):
            keys = [padded((place,) if key is None else key(place)) for place in part.tolist()]
            stored = stored_views(samples, part.numpy())
            yield views_of(view, stored, torch.tensor(keys)), part


class VectorStageFeed:
    """The batches of a stage.

    Args:
        samples: The training samples.
        groups: What each group holds of a sample.
        seed: Of the views.
        batches: Which samples come when.
    """

    def __init__(
        self, samples: SampleSet, groups: Sequence[GroupPlan], seed: int, batches: EpochBatches
    ) -> None:
        self.samples = samples
        self.groups = tuple(groups)
        self.seed = seed
        self.batches = batches

    def steps(self, plan: EpochPlan) -> int:
        """Steps of a whole epoch."""
        return self.batches.steps(plan)

    def epoch(self, plan: EpochPlan) -> Iterator[Batch]:
        """This process's part of each batch of an epoch."""
        self.batches.set_epoch(plan)
        for drawn in self.batches:
            yield self._batch(np.array([(*key, 0)[:3] for key in drawn], dtype=np.int64))

    def check(self) -> None:
        """Draw the views of the first sample."""
        self._batch(np.zeros((1, 3), dtype=np.int64))

    def _batch(self, drawn: Any) -> Batch:
        """Args: drawn: ``(B, 3)`` int64 epoch, sample and visit."""
        stored = stored_views(self.samples, drawn[:, 1])
        told = torch.from_numpy(drawn)
        batch: dict[str, Group] = {}
        number = 0
        for group in self.groups:
            views = []
            for _ in range(group.count):
                keys = torch.empty(len(told), 5, dtype=torch.int64)
                keys[:, 0], keys[:, 3] = self.seed, number
                keys[:, [1, 2, 4]] = told
                views.append(views_of(group.view, stored, keys))
                number += 1
            x = views[0] if len(views) == 1 else torch.cat(views)
            batch[group.name] = Group(x, told[:, 1].repeat(len(views)), len(views))
        return batch


def stored_views(samples: SampleSet, index: IntArray) -> Tensor:
    """``(B, V, F)`` floats of the samples at some places, as they are stored."""
    return torch.from_numpy(gather_vectors(samples.samples, index))


def views_of(view: View, stored: Tensor, keys: Tensor) -> Tensor:
    """``(B, F)`` views of vectors: at once where the view can, else one by one.

    Args:
        view: Draws them.
        stored: ``(B, V, F)`` floats.
        keys: ``(B, 5)`` int64.
    """
    batch = getattr(view, "batch", None)
    if batch is not None:
        return cast(Tensor, batch(stored, keys))
    samples = stored[:, 0] if stored.shape[1] == 1 else stored
    pairs = zip(samples.float().numpy(), keys.tolist(), strict=True)
    return torch.stack([view(sample, tuple(key)) for sample, key in pairs])

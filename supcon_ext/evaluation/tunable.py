"""The encoder itself, for evaluators that train a copy of it.

Letters: N samples, F features.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSequence
from data_tools.unlabelled import unlabelled
from supcon_ext.feed.choice import feed_of
from supcon_ext.models.base import Backbone
from supcon_ext.models.lora import merged
from supcon_ext.models.sync_batch_norm import alone
from supcon_ext.policies.base import View


@dataclass(frozen=True, eq=False)
class Tunable:
    """An encoder, how it sees samples, and where.

    Attributes:
        backbone: What :meth:`copied` copies; never changed.
        spec: What its samples are.
        plain: The view of evaluation.
        augmented: The weak view: crop and flip; of vectors a stored view.
        device: Where the copy computes.
        workers: Processes that read pictures.
    """

    backbone: Backbone
    spec: InputSpec
    plain: View
    augmented: View
    device: torch.device
    workers: int = 0

    def copied(self) -> Backbone:
        """A copy in which every weight learns, nothing frozen and no update beside the weights.

        Of several processes each trains its own, all to the same numbers: no row is exchanged.
        """
        own = copy.deepcopy(merged(self.backbone)).to(self.device)
        alone(own)
        own.still = ()
        return own.requires_grad_(True)

    def batches(
        self,
        samples: SampleSequence,
        places: Tensor,
        size: int,
        key: Callable[[int], tuple[int, ...]] | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Views of samples on the device, and their places; below 0 of what cannot be read.

        Args:
            samples: All samples of a split.
            places: ``(n,)`` int64, which of them, in this order.
            size: Samples at a time.
            key: Of the augmented view of a place; None for the plain view.
        """
        whole = unlabelled(samples, self.spec)
        view = self.plain if key is None else self.augmented
        feed = feed_of(whole, workers=self.workers)
        for x, place in feed.plain(whole, view, places, size, key):
            yield x.to(self.device), place

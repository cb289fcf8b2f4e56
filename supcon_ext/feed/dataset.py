"""Data sets of views: a sample and a key in, numbers for the network out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_tools.bad_image import GoneImageError
from data_tools.samples import ImageArray, SampleSet
from supcon_ext.feed.base import Draw, Group, GroupPlan
from supcon_ext.policies.base import View

Drawn = tuple[dict[str, Tensor], int]


class ViewDataset(Dataset[Drawn]):
    """The views of each training sample, addressed by ``(epoch, index)``.

    View v of sample ``index`` in epoch e, counted through all groups, is drawn with the key
    ``(seed, e, index, v)`` and nothing else, so neither the number of workers or processes nor a
    resume in mid-epoch changes a number.

    Args:
        samples: The training samples.
        groups: What each group holds of a sample.
        seed: Of the views.

    Raises:
        ValueError: No groups, or a negative seed.
    """

    def __init__(self, samples: SampleSet, groups: Sequence[GroupPlan], seed: int) -> None:
        if not groups:
            raise ValueError("Expected at least one view in argument `views`, but got none")
        if seed < 0:
            raise ValueError(f"Expected a non-negative argument `seed`, but got {seed}")
        self.samples = samples
        self.groups = tuple(groups)
        self.seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, ...]) -> Drawn:
        """The views of one sample.

        Args:
            key: ``(epoch, index)``; a third number tells apart the draws of a sample that an epoch
                repeats (see :class:`~supcon_ext.feed.batches.EpochBatches`).

        Returns:
            ``(V, ...)`` float32 of each group, and ``index``; or those of a blank, and ``~index``,
            if the image is bad and such are skipped.
        """
        epoch, index, *repeat = key
        image, told = _sample_or_blank(self.samples, index)
        views: dict[str, Tensor] = {}
        number = 0
        for group in self.groups:
            drawn = []
            for _ in range(group.count):
                drawn.append(group.view(image, (self.seed, epoch, index, number, *repeat)))
                number += 1
            views[group.name] = torch.stack(drawn)
        return views, told


def as_batch(drawn: Sequence[Drawn]) -> dict[str, Group]:
    """The batch of some samples' views: each group holds the samples that have views in it."""
    batch: dict[str, Group] = {}
    for name in dict.fromkeys(name for views, _ in drawn for name in views):
        having = [(views[name], told) for views, told in drawn if name in views]
        x = torch.stack([views for views, _ in having], 1)
        place = torch.tensor([told for _, told in having])
        batch[name] = Group(x.flatten(0, 1), place.repeat(len(x)), len(x))
    return batch


class PlainDataset(Dataset[tuple[Tensor, int]]):
    """One view of each sample.

    Args:
        samples: Any split.
        view: Makes it.
        key: Of each view by the sample's place; None for views that draw nothing.
    """

    def __init__(self, samples: SampleSet, view: View, key: Draw | None = None) -> None:
        self.samples = samples
        self.view = view
        self.key = key

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """View float32 of sample ``index``, and ``index``; ``~index`` of a blank."""
        image, told = _sample_or_blank(self.samples, index)
        return self.view(image, (index,) if self.key is None else self.key(index)), told


def _sample_or_blank(samples: SampleSet, index: int) -> tuple[ImageArray, int]:
    try:
        return samples[index], index
    except GoneImageError as gone:
        return gone.blank, ~index

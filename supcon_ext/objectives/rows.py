"""The rows of a batch as losses see them: view after view, with what is believed of each sample."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.mixup import mixed_rows
from supcon_ext.losses.rows import Rows
from supcon_ext.objectives.base import Beliefs, StepBatch
from supcon_ext.objectives.mixing import Mix


def samples_columns(samples: Beliefs) -> dict[str, Tensor]:
    """Columns that rows carry: the data set's, and the posterior where there is one."""
    columns = dict(samples.columns)
    if samples.posterior is not None:
        columns["posterior"] = samples.posterior
    return columns


def batch_rows(batch: StepBatch, z: Tensor) -> Rows:
    """The rows of a batch.

    Args:
        batch: B samples.
        z: ``(V B, D)`` embeddings, view after view.
    """
    views = len(z) // len(batch.index)
    index = batch.index.repeat(views)
    return Rows.of(
        z,
        batch.label.repeat(views),
        index=index,
        trust=batch.trust.repeat(views),
        columns={name: column[index] for name, column in samples_columns(batch.samples).items()},
    )


def mixed_batch_rows(views: Rows, mix: Mix, rows: list[int]) -> Rows:
    """The rows of mixed images, which carry what is known of their partners too.

    Args:
        views: ``V B`` rows of the mixed images, with what is known of each one's first image.
        mix: Who was mixed with whom.
        rows: The V views of the batch that they are.
    """
    device = views.z.device
    size = len(views) // len(rows)
    start = size * torch.arange(len(rows), device=device)[:, None]
    partner = (mix.partner.to(device)[rows] + start).flatten()
    share = mix.share.to(device)[rows].repeat_interleave(size)
    return mixed_rows(views, views.detached().rows(partner), share)

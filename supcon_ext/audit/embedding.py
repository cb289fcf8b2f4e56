"""What a run's network says of every sample under audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from supcon_ext.audit.opened import OpenedRun
from supcon_ext.feed.dataset import PlainDataset
from supcon_ext.feed.loader import evaluation_loader
from supcon_ext.models.network import Outputs
from supcon_ext.tracking.console import ConsoleProgress
from supcon_ext.training.bank import embed

BATCH = 256


def embed_samples(opened: OpenedRun, progress: ConsoleProgress) -> Outputs:
    """Features, projections and logits of the N samples, float32 on the CPU.

    Args:
        opened: The run.
        progress: Sees each batch.
    """
    parts = opened.samples.parts
    progress.start_stage("embedding", 1, sum(-(-len(part) // BATCH) for part in parts))
    made = []
    for part in parts:
        dataset = PlainDataset(part, opened.view)

        def loader_of(positions: Tensor, dataset: Any = dataset) -> Iterator[Any]:
            chosen: Any = torch.utils.data.Subset(dataset, positions.tolist())
            for batch in evaluation_loader(chosen, BATCH, opened.recipe.compute.workers):
                yield batch
                progress.step()

        made.append(embed(opened.network, len(part), loader_of, opened.device))
    return Outputs.cat(made)

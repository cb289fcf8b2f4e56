"""What a run's network says of every sample under audit."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from data_tools.samples import SampleSet
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.experiment.open import OpenedRun
from supcon_ext.feed.base import Feed
from supcon_ext.feed.choice import feed_of
from supcon_ext.models.network import Outputs
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.training.bank import embed

BATCH = 256


def embed_samples(opened: OpenedRun, samples: AuditedSamples, progress: ConsoleProgress) -> Outputs:
    """Features, projections and logits of the N samples, float32 on the CPU.

    Args:
        opened: The run.
        samples: Its samples.
        progress: Sees each batch.
    """
    parts = samples.parts
    progress.start_stage("embedding", 1, sum(-(-len(part) // BATCH) for part in parts))
    made = []
    for part in parts:
        feed = feed_of(part, workers=opened.recipe.compute.workers)

        def batches(
            places: Tensor, feed: Feed = feed, part: SampleSet = part
        ) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in feed.plain(part, opened.view, places, BATCH, None):
                yield batch
                progress.step()

        made.append(embed(opened.network, len(part), batches, opened.device))
    return Outputs.cat(made)

"""What the neighbours say of samples that vote, and of those that do not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import SHOWN, Verdict
from supcon_ext.audit.two_witnesses import judge
from supcon_ext.experiment.open import OpenedRun
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.neighbours import NeighbourGraph, neighbours_among


def find_neighbours(
    opened: OpenedRun, samples: AuditedSamples, z: Tensor, neighbours: int
) -> NeighbourGraph:
    """The nearest samples by cosine, all of them of training and validation.

    Args:
        opened: The run.
        samples: Its N samples.
        z: ``(N, D)`` float32 projections.
        neighbours: K.

    Returns:
        ``(N, K)`` on the CPU.
    """
    voters = samples.voters
    bank = SampleBank(
        index=torch.arange(voters),
        label=torch.from_numpy(samples.label[:voters]),
        classes=len(samples.classes),
        z=z[:voters],
        device=opened.device,
        search=opened.search,
    )
    graph = bank.neighbours(min(neighbours, voters - 1))
    if voters == len(samples):
        return graph
    reference, query = z[:voters].to(opened.device), z[voters:].to(opened.device)
    other = neighbours_among(query, reference, graph.index.shape[1])
    return NeighbourGraph(
        torch.cat([graph.index, other.index.cpu()]),
        torch.cat([graph.similarity, other.similarity.cpu()]),
    )


def ask_neighbours(
    samples: AuditedSamples,
    graph: NeighbourGraph,
    features: Tensor,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """What the nearest neighbours and a linear head say of every given label.

    Test labels have no say on any other, not even by the sizes of their classes: what is said of
    training and validation samples is the same whatever the test labels are.

    Args:
        samples: The N samples.
        graph: Their neighbours, see :func:`find_neighbours`.
        features: ``(N, F)`` of the encoder.
        progress: See :func:`~supcon_ext.audit.two_witnesses.judge`.
    """
    label = torch.from_numpy(samples.label)
    return judge(graph, features, label, len(samples.classes), samples.voters, progress)


def nearest_agreeing(graph: NeighbourGraph, label: Tensor, count: int = SHOWN) -> Tensor:
    """``(N, count)`` int64 nearest neighbours of the same label, -1 where there are fewer.

    Args:
        graph: Nearest neighbours.
        label: ``(N,)`` int64.
        count: How many.
    """
    other = label[graph.index] != label[:, None]
    place = other.to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
    found = graph.index.gather(1, place).masked_fill(other.gather(1, place), -1)
    return functional.pad(found, (0, count - found.shape[1]), value=-1)

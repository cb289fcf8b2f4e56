"""Approximate nearest neighbours by faiss, for data sets where the exact search takes too long."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from data_tools.optional_package import optional_package
from supcon_ext.selectors.neighbours import NeighbourGraph

PROBED = 32  # cells looked into of each query
POINTS_PER_CELL = 39  # below, faiss calls the training set of the cells too small


def approximate_neighbours(z: Tensor, neighbours: int, seed: int = 0) -> NeighbourGraph:
    """Nearest neighbours by an inverted file (Johnson et al. 2019): most of the true ones.

    Args:
        z: ``(N, D)`` float; rows are normalised here.
        neighbours: K, at most N - 1.
        seed: Of the cells' k-means.

    Returns:
        ``(N, K)`` on the CPU. Where the cells looked into hold fewer than K samples, the last found
        is repeated.

    Raises:
        ModuleNotFoundError: faiss is not installed.
    """
    faiss = optional_package("faiss", "approximate neighbours", "supcon-ext[faiss]")
    rows = functional.normalize(z.float(), dim=1).cpu().contiguous()
    count, dim = rows.shape
    cells = max(1, min(int(4 * math.sqrt(count)), count // POINTS_PER_CELL))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = seed + 1
    index.train(rows.numpy())
    index.add(rows.numpy())
    index.nprobe = min(PROBED, cells)
    similarity, found = (
        torch.from_numpy(part) for part in index.search(rows.numpy(), neighbours + 1)
    )
    own = torch.arange(count)[:, None]
    # the sample itself goes to the end, where it is cut off, wherever it was found
    rank = torch.arange(neighbours + 1).expand(count, -1) + (neighbours + 2) * (
        (found == own) | (found < 0)
    )
    order = rank.argsort(dim=1)[:, :neighbours]
    found, similarity = found.gather(1, order), similarity.gather(1, order)
    missing = (found < 0) | (found == own)
    if bool(missing.any()):
        place = torch.arange(neighbours).expand(count, -1).masked_fill(missing, 0)
        place = place.cummax(1).values
        found, similarity = found.gather(1, place), similarity.gather(1, place)
    return NeighbourGraph(found, similarity)

"""How soon a sample's neighbours agree with its label: WANN's adaptive neighbourhoods.

Letters: N samples, K neighbours, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor


def check_neighbourhood(kmin: int, kmax: int) -> None:
    """See that neighbourhoods grow from a smallest to a largest.

    Raises:
        ValueError: They do not.
    """
    if not 1 <= kmin < kmax:
        raise ValueError(
            "Expected `kmin` of 1 or more and below `kmax`, but got "
            f"{kmin} and {kmax}. Try: kmin=11, kmax=51"
        )


def adaptive_neighbours(
    neighbour_label: Tensor, label: Tensor, classes: int, kmin: int, kmax: int
) -> Tensor:
    """The least number of neighbours whose majority is a sample's label (Di Salvo et al. 2025).

    Asked are kmin, kmin + 2, kmin + 4, ... neighbours, fewer than kmax; a sample with which none of
    these majorities agrees has kmax. Of classes with equal votes the lowest is the majority.

    Args:
        neighbour_label: ``(N, K)`` int64 labels of each sample's neighbours, the nearest first. Of
            K below kmax, all K vote wherever more are asked for.
        label: ``(N,)`` int64 in ``[0, C)``.
        classes: Number of classes C.
        kmin: The smallest number.
        kmax: The largest.

    Returns:
        ``(N,)`` int64 from kmin to kmax.
    """
    number = torch.full_like(label, kmax)
    votes = torch.zeros(len(label), classes, device=label.device)
    done = 0
    for k in range(kmin, kmax, 2):
        new = neighbour_label[:, done:k]
        votes.scatter_add_(1, new, torch.ones(new.shape, device=label.device))
        done = k
        number = torch.where((number == kmax) & (votes.argmax(1) == label), k, number)
    return number

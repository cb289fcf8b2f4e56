"""Small seeded inputs, as they were given to the authors' programs, and a step that holds them."""

from __future__ import annotations

import torch
from torch.nn import functional

from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import Beliefs
from tests.objectives.steps import ViewsOf


def unit(*shape: int, seed: int) -> torch.Tensor:
    """Rows of unit norm."""
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def normal(*shape: int, seed: int) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(count: int, size: int, seed: int) -> torch.Tensor:
    """``(size,)`` classes below ``count``."""
    return torch.randint(0, count, (size,), generator=torch.Generator().manual_seed(seed))


def step(
    z_VBD: torch.Tensor,
    label: torch.Tensor,
    logits_VBC: torch.Tensor | None = None,
    epoch: int = 0,
    further: torch.Tensor | None = None,
) -> ViewsOf:
    """A step whose network gives these embeddings (and logits), and whose twin gives the same.

    Args:
        z_VBD: Embeddings of V views of B samples, which are samples 0 to B - 1.
        label: ``(B,)``.
        logits_VBC: Logits; None gives zeros.
        epoch: Epochs done.
        further: Labels of further samples, B and up.
    """
    views, size, dim = z_VBD.shape
    logits = torch.zeros(views, size, 1) if logits_VBC is None else logits_VBC
    images = torch.cat([z_VBD, logits], 2)[:, :, None, None]

    def network(pixels: torch.Tensor) -> Outputs:
        rows = pixels.flatten(1)
        return Outputs(rows[:, :dim], rows[:, :dim], rows[:, dim:])

    known = label if further is None else torch.cat([label, further])
    samples = Beliefs(known, torch.ones(len(known)), torch.zeros(len(known), dtype=torch.int8))
    names = tuple("contrast" for _ in range(views))
    generator = torch.Generator().manual_seed(0)
    return ViewsOf(
        images, names, torch.arange(size), samples, network, network, epoch, generator=generator
    )

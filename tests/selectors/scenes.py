"""Small seeded training sets on which the authors' programs were run, for the exact tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank

BALANCED = (15, 15, 15, 15)
SIZES: dict[str, tuple[Sequence[int], int]] = {
    "balanced 0": (BALANCED, 0),
    "balanced 1": (BALANCED, 1),
    "balanced 2": (BALANCED, 2),
    "long tail": ((30, 12, 6, 2), 3),
    "class of one": ((20, 12, 10, 1), 4),
    "one class": ((20,), 5),
}
SCENES = list(SIZES)


def scene(name: str) -> SampleBank:
    """A bank of clusters in 8 dimensions, three labels in ten of which are wrong.

    Everything is float32 made of numpy's ``default_rng``, drawn in this order: wrong labels,
    projections, features, logits, the second network's logits. At least one sample of each class is
    right, and no scene has ties.
    """
    sizes, seed = SIZES[name]
    random = np.random.default_rng(seed)
    classes = len(sizes)
    truth = np.repeat(np.arange(classes), sizes)
    wrong = random.random(len(truth)) < 0.3
    wrong[np.cumsum(sizes) - 1] = False
    label = np.where(wrong, (truth + 1 + random.integers(0, max(classes - 1, 1))) % classes, truth)
    centre = 1.5 * np.eye(classes, 8)[truth]
    z, features = (centre + random.normal(0, 0.5, (len(truth), 8)) for _ in range(2))
    own, peer = (
        1.5 * np.eye(max(classes, 2))[truth]
        + 0.5 * np.eye(max(classes, 2))[label]
        + random.normal(0, 0.8, (len(truth), max(classes, 2)))
        for _ in range(2)
    )
    logits = torch.from_numpy(own).float()
    given = torch.from_numpy(label)
    return SampleBank(
        torch.arange(len(truth)),
        given,
        logits.shape[1],
        features=torch.from_numpy(features).float(),
        z=functional.normalize(torch.from_numpy(z).float(), dim=1),
        logits=logits,
        loss=functional.cross_entropy(logits, given, reduction="none"),
        peer_logits=torch.from_numpy(peer).float(),
        truth=torch.from_numpy(truth),
    )


def bits(kept: torch.Tensor) -> str:
    """Who is kept, as a text of ones and zeros."""
    return "".join(str(int(value)) for value in kept > 0.5)


def refreshes(known: SampleBank) -> list[torch.Tensor]:
    """The logits of five refreshes, for selectors with a history."""
    own, peer = known.need("logits"), known.need("peer_logits")
    shares = ((0.2, 0.8), (1.0, 0.0), (0.5, -0.5), (0.3, 0.4), (1.0, 1.0))
    return [own * mine + peer * others for mine, others in shares]

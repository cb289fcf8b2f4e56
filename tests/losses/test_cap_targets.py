"""A cap draws among samples: the prototype or target of a class is never drawn away."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.rows import Source


def rows(samples: int, views: int, classes: int, seed: int) -> tuple[Rows, Rows]:
    """Views of samples, and one prototype for each class."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(samples * views, 8, generator=generator)
    index = torch.arange(samples).repeat(views)
    prototypes = torch.randn(classes, 8, generator=generator)
    label = torch.arange(classes)
    return (
        Rows.of(functional.normalize(z, dim=1), index % classes, index=index),
        Rows.of(
            functional.normalize(prototypes, dim=1),
            label,
            index=torch.full_like(label, -1),
            uid=-1 - label,
            source=Source.PROTOTYPE,
        ),
    )


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(2, 9),
    views=st.integers(1, 3),
    classes=st.integers(1, 3),
    cap=st.integers(0, 5),
    surplus=st.sampled_from(["dropped", "negative"]),
    sampling=st.sampled_from(["random", "first"]),
    tile=st.sampled_from([1, 3, None]),
    seed=st.integers(0, 99),
)
def test_own_views_and_the_own_prototype_stay(
    samples: int,
    views: int,
    classes: int,
    cap: int,
    surplus: str,
    sampling: str,
    tile: int,
    seed: int,
) -> None:
    batch, prototypes = rows(samples, views, classes, seed)
    loss = SupConLoss(
        0.5, positives_cap=cap, surplus=surplus, cap_sampling=sampling, tile=tile, reduction="none"
    )
    found = loss.details(batch, extra=prototypes, cap_seed=seed)
    size = torch.bincount(batch.label, minlength=classes)[batch.label]
    others = size - views  # rows of the class beside the sample's own
    if sampling == "first":  # all views of the last sample stay alike
        least = (views - 1) + torch.minimum(others, torch.tensor(cap)) + 1
        assert bool((found.positives >= least).all())
    else:
        kept = (views - 1) + torch.minimum(others, torch.tensor(cap)) + 1
        assert found.positives.tolist() == kept.tolist()


@pytest.mark.parametrize("cap", [0, 1, 6])
def test_a_prototype_that_is_alone_is_the_only_positive(cap: int) -> None:
    batch, prototypes = rows(3, 1, 3, 0)  # a class of one sample each
    loss = SupConLoss(0.5, positives_cap=cap, surplus="negative", reduction="none")
    alone = loss(batch, extra=prototypes)
    logits = torch.cat([batch.z, prototypes.z]) @ batch.z.T / 0.5
    logits.fill_diagonal_(-torch.inf)
    own = (batch.z * prototypes.z).sum(1) / 0.5
    torch.testing.assert_close(alone, logits.logsumexp(0) - own)

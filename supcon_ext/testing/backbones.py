"""The contract of backbones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from data_tools.border import check_array, check_type
from supcon_ext.models.base import Backbone
from supcon_ext.seeding import seeded_weights
from supcon_ext.testing.contract import Contract, same
from supcon_ext.training.declared_state import declared_keys

CONTRACT = Contract("backbone")


def check_backbone(
    backbone: Callable[[int], Backbone],
    size: int | None = 32,
    channels: tuple[int, ...] = (1, 3),
) -> None:
    """Check that a backbone keeps the contract that the network and a resumed run rely on.

    Feature vectors of the length that it tells; weights that follow from torch's generator alone;
    state that is whole once it is made, and that a checkpoint carries to a fresh instance, whose
    features are the same.

    Args:
        backbone: Makes the encoder for a number of image channels.
        size: Side of the images in pixels; None for a backbone that takes vectors.
        channels: Which it takes: 1 for grey images, 3 for colour; lengths of vectors.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    for number in channels:
        first, second = _made(backbone, number, 0), _made(backbone, number, 0)
        with CONTRACT.border():
            check_type("a backbone", "an encoder", first, Backbone, "Backbone(trunk, dim)")
        CONTRACT.expect(
            same(first.state_dict(), second.state_dict()),
            "first weights must follow from torch's generator alone. Try: torch.nn.init",
        )
        declared = declared_keys(first)
        shape = (3, number) if size is None else (3, number, size, size)
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        features: Tensor = first(images)
        with CONTRACT.border():
            check_array("a backbone", "features", features, (3, first.dim), ("float",))
        if features.requires_grad:  # else there is nothing to train in it
            torch.autograd.backward(features.square().sum())
        CONTRACT.same_keys(first, declared)
        fresh = _made(backbone, number, 1)
        fresh.load_state_dict(CONTRACT.through_file(first.state_dict()))
        CONTRACT.says_the_same(first, fresh, images, "features", "an image's features")


def _made(backbone: Callable[[int], Backbone], channels: int, seed: int) -> Backbone:
    with seeded_weights(seed, "check"):
        return backbone(channels)

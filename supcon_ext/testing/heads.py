"""The contract of heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from data_tools.border import check_array, check_type
from supcon_ext.models.heads.base import Head
from supcon_ext.seeding import seeded_weights
from supcon_ext.testing.contract import Contract, same
from supcon_ext.training.declared_state import declared_keys

CONTRACT = Contract("head")
IN_DIM = 12
CLASSES = 5


def check_head(head: Callable[[int, int], Head]) -> None:
    """Check that a head keeps the contract that the network and a resumed run rely on.

    Finite vectors of the length that it tells; weights that follow from torch's generator alone;
    state that is whole once it is made, and that a checkpoint carries to a fresh instance, which
    gives the same vectors; gradients for the encoder.

    Args:
        head: Makes the head for a length of feature vectors and a number of classes; a recipe's
            parameters are filled in.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    first, second = _made(head, 0), _made(head, 0)
    with CONTRACT.border():
        check_type("a head", "it", first, Head, "a subclass of Head")
    CONTRACT.expect(
        same(first.state_dict(), second.state_dict()),
        "first weights must follow from torch's generator alone. Try: torch.nn.init",
    )
    declared = declared_keys(first)
    features = torch.randn(6, IN_DIM, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rows: Tensor = first(features)
    with CONTRACT.border():
        check_array("a head", "vectors", rows, (6, first.dim), ("float",))
        vectors = first.weight_CF
        if vectors is not None:
            check_array("a head", "class vectors", vectors, (first.dim, IN_DIM), ("float",))
    CONTRACT.expect(bool(rows.isfinite().all()), "its vectors must be finite")
    torch.autograd.backward(rows.square().sum())
    CONTRACT.expect(
        features.grad is not None and bool((features.grad != 0).any()),
        "gradients must reach the encoder through it. Try: no `detach` and no `no_grad`",
    )
    CONTRACT.same_keys(first, declared)
    fresh = _made(head, 1)
    fresh.load_state_dict(CONTRACT.through_file(first.state_dict()))
    CONTRACT.says_the_same(first, fresh, features, "vectors", "a sample's vector")


def _made(head: Callable[[int, int], Head], seed: int) -> Head:
    with seeded_weights(seed, "check"):
        return head(IN_DIM, CLASSES)

"""The contract of optimisers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from data_tools.border import check_type
from supcon_ext.seeding import seeded_weights
from supcon_ext.testing.contract import Contract, same

CONTRACT = Contract("optimizer")


def check_optimizer(optimizer: Callable[[nn.Module], Optimizer]) -> None:
    """Check that an optimiser keeps the contract that schedules and a resumed run rely on.

    Every trainable parameter in one group; steps that follow each group's ``lr`` (none where it is
    0); state that a checkpoint carries to a fresh instance, which goes on the same; no draw from a
    global generator.

    Args:
        optimizer: Makes the optimiser of a module's parameters.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    optimizer(_module())
    draws = "nothing: a step draws no numbers"
    with CONTRACT.world(0, draws):
        module = _module()
        first = optimizer(module)
        with CONTRACT.border():
            check_type("an optimizer", "what is made", first, Optimizer)
        _check_groups(module, first)
        for number in range(3):
            _step(module, first, number)
        state = CONTRACT.through_file(first.state_dict())
        weights = CONTRACT.through_file(module.state_dict())
        for number in range(3, 5):
            _step(module, first, number)
    with CONTRACT.world(1, draws):
        other = _module()
        other.load_state_dict(weights)
        resumed = optimizer(other)
        resumed.load_state_dict(state)
        for number in range(3, 5):
            _step(other, resumed, number)
    CONTRACT.expect(
        same(module.state_dict(), other.state_dict()),
        "weights must go on the same after a state round trip into a fresh instance, which is what "
        "a resumed run has. Try: keep what steps gather in `self.state` or in a group",
    )
    _check_lr(other, optimizer(other))


def _module() -> nn.Module:
    with seeded_weights(0, "check"):
        return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))


def _step(module: nn.Module, optimizer: Optimizer, number: int) -> None:
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(number))
    loss: Tensor = module(x).square().mean()
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


def _check_groups(module: nn.Module, optimizer: Optimizer) -> None:
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    known = {id(parameter) for parameter in module.parameters()}
    CONTRACT.expect(
        len(held) == len(set(held)) and set(held) == known,
        "every trainable parameter of the module must be in one group, once. Try: "
        "parameter_groups of supcon_ext.optimizers.parameter_groups",
    )
    CONTRACT.expect(
        all("lr" in group for group in optimizer.param_groups), "every group must have an `lr`"
    )


def _check_lr(module: nn.Module, optimizer: Optimizer) -> None:
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(dict(module.named_parameters()))
    _step(module, optimizer, 9)
    CONTRACT.expect(
        all(torch.equal(p, before[name]) for name, p in module.named_parameters()),
        "steps must follow the `lr` of each group, which schedules change, but weights move at 0. "
        "Try: read group['lr'] in `step`",
    )

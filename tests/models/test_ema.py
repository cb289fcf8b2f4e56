import copy
import math

import pytest
import torch
from torch import Tensor

from supcon_ext.models.base import backbone
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.heads.base import head
from supcon_ext.models.network import Network, Outputs, build_network


def parts(outputs: Outputs) -> tuple[Tensor, Tensor, Tensor]:
    return outputs.features, outputs.z, outputs.logits


def build(seed: int = 0) -> Network:
    make = backbone.spec({"kind": "conv4", "width": 2}).bind()
    small = head.spec({"kind": "mlp", "hidden": 6, "dim": 4}).bind()
    return build_network(make, 1, 3, projector=small, seed=seed).double()


def train_a_step(network: Network) -> None:
    outputs = network(torch.rand(6, 1, 8, 8, dtype=torch.float64))
    (outputs.z[:, 0].sum() + outputs.logits[:, 0].sum()).backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= parameter.grad
            parameter.grad = None


def test_average_equals_a_hand_loop_with_batch_norm() -> None:
    network = build()
    twin = EMATwin(network, momentum=0.9)
    expected: dict[str, Tensor] = copy.deepcopy(network.state_dict())
    for _ in range(4):
        train_a_step(network)
        twin.update(network)
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                expected[name] = 0.9 * expected[name] + 0.1 * value
            else:
                expected[name] = value.clone()
    averaged = twin.network.state_dict()
    assert averaged.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(averaged[name], value, rtol=1e-12, atol=1e-12)
    moved = [name for name in expected if "running_" in name]
    assert len(moved) == 10
    assert not any(torch.equal(averaged[name], network.state_dict()[name]) for name in moved)
    counters = [value for name, value in averaged.items() if "num_batches" in name]
    assert [int(counter) for counter in counters] == [4] * 5


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_extreme_momenta_copy_and_freeze(momentum: float) -> None:
    network = build()
    start = copy.deepcopy(network.state_dict())
    twin = EMATwin(network, momentum)
    train_a_step(network)
    twin.update(network)
    expected = network.state_dict() if momentum == 0 else start
    for name, value in twin.network.named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=1e-14, atol=1e-14)


def test_twin_begins_equal_in_evaluation_mode_and_without_gradients() -> None:
    network = build()
    twin = EMATwin(network, 0.99)
    images = torch.rand(4, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    outputs = twin(images)
    assert not twin.network.training
    assert network.training
    assert not any(output.requires_grad for output in parts(outputs))
    assert not any(parameter.requires_grad for parameter in twin.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    for mine, theirs in zip(parts(outputs), parts(network.eval()(images)), strict=True):
        assert torch.equal(mine, theirs)


def test_state_round_trip_goes_on_to_the_same_average() -> None:
    network = build()
    twin = EMATwin(network, 0.9)
    train_a_step(network)
    twin.update(network)
    other = EMATwin(build(seed=1), 0.9)
    other.load_state_dict(twin.state_dict())
    train_a_step(network)
    twin.update(network)
    other.update(network)
    for name, value in twin.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_a_momentum_goes_to_its_end_along_half_a_cosine() -> None:
    """1 - (1 - m) (cos(pi t) + 1) / 2, as BYOL has it for an end of 1."""
    network = build()
    twin = EMATwin(network, 0.6, 1.0)
    expected = copy.deepcopy(network.state_dict())
    for progress in (0.0, 0.25, 0.5, 0.9, 1.0):
        train_a_step(network)
        twin.update(network, progress)
        momentum = 1 - 0.4 * (math.cos(math.pi * progress) + 1) / 2
        for name, value in network.named_parameters():
            expected[name] = momentum * expected[name] + (1 - momentum) * value.detach()
    for name, value in twin.network.named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-12)


def test_without_an_end_the_momentum_stays() -> None:
    network, other = build(), build()
    twins = EMATwin(network, 0.9), EMATwin(other, 0.9)
    for each in (network, other):
        torch.manual_seed(0)
        train_a_step(each)
    twins[0].update(network)
    twins[1].update(other, 0.7)
    for name, value in twins[0].state_dict().items():
        assert torch.equal(value, twins[1].state_dict()[name]), name
    with pytest.raises(ValueError, match="argument `end`"):
        EMATwin(build(), 0.9, 1.5)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_impossible_momentum_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match=r"Expected a number in \[0, 1\] of argument `momentum`"):
        EMATwin(build(), momentum)

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from supcon_ext.optimizers.adamw import adamw
from supcon_ext.optimizers.base import optimizer
from supcon_ext.optimizers.lars import lars
from supcon_ext.optimizers.rmsprop import rmsprop
from supcon_ext.optimizers.sgd import sgd

WEIGHT = [[0.5, -1.0], [2.0, 0.25]]
BIAS = [0.3, -0.7]
GRADIENTS = [([[0.1, 0.2], [-0.3, 0.4]], [1.0, -2.0]), ([[-0.5, 0.1], [0.2, 0.6]], [0.5, 0.25])]


def layer() -> nn.Linear:
    module = nn.Linear(2, 2).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(WEIGHT))
        module.bias.copy_(torch.tensor(BIAS))
    return module


def doubles(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def start() -> tuple[Tensor, Tensor]:
    """The weight and bias that `layer` begins with."""
    module = layer()
    return module.weight.detach().clone(), module.bias.detach().clone()


def two_steps(module: nn.Linear, made: Optimizer) -> None:
    for weight_gradient, bias_gradient in GRADIENTS:
        module.weight.grad = doubles(weight_gradient)
        module.bias.grad = doubles(bias_gradient)
        made.step()


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual.detach(), expected, rtol=1e-7, atol=1e-10)


def test_sgd_two_steps_by_formula() -> None:
    module = layer()
    two_steps(module, sgd(module, lr=0.1, momentum=0.9, weight_decay=0.01))
    for parameter, value, which in ((module.weight, start()[0], 0), (module.bias, start()[1], 1)):
        velocity = torch.zeros_like(value)
        for gradients in GRADIENTS:
            velocity = 0.9 * velocity + doubles(gradients[which]) + 0.01 * value
            value = value - 0.1 * velocity
        close(parameter, value)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("together", [False, True])
def test_lars_two_steps_by_formula(weight_decay: float, together: bool) -> None:
    module = layer()
    made = lars(
        module,
        lr=2.0,
        momentum=0.9,
        weight_decay=weight_decay,
        decay_norm_and_bias=together,
        trust=0.02,
    )
    two_steps(module, made)
    for parameter, value, which in ((module.weight, start()[0], 0), (module.bias, start()[1], 1)):
        velocity = torch.zeros_like(value)
        for gradients in GRADIENTS:
            step = doubles(gradients[which])
            if which == 0 or together:
                ratio = 0.02 * value.norm() / (step.norm() + weight_decay * value.norm())
                step = ratio * (step + weight_decay * value)
            velocity = 0.9 * velocity + step
            value = value - 2.0 * velocity
        close(parameter, value)


def test_rmsprop_two_steps_by_tensorflows_formula() -> None:
    module = layer()
    two_steps(module, rmsprop(module, lr=0.1, weight_decay=0.01))
    for parameter, value, which in ((module.weight, start()[0], 0), (module.bias, start()[1], 1)):
        square, velocity = torch.ones_like(value), torch.zeros_like(value)
        for gradients in GRADIENTS:
            gradient = doubles(gradients[which]) + (0.01 * value if which == 0 else 0.0)
            square = 0.9 * square + 0.1 * gradient**2
            velocity = 0.9 * velocity + 0.1 * gradient / (square + 1.0).sqrt()
            value = value - velocity
        close(parameter, value)


def test_adamw_two_steps_by_formula() -> None:
    module = layer()
    two_steps(module, adamw(module, lr=0.1, weight_decay=0.05))
    for parameter, value, which in ((module.weight, start()[0], 0), (module.bias, start()[1], 1)):
        mean, square = torch.zeros_like(value), torch.zeros_like(value)
        for count, gradients in enumerate(GRADIENTS, start=1):
            gradient = doubles(gradients[which])
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            decay = 0.05 if which == 0 else 0.0
            root = (square / (1 - 0.999**count)).sqrt() + 1e-8
            value = value * (1 - 0.1 * decay) - 0.1 * (mean / (1 - 0.9**count)) / root
        close(parameter, value)


@pytest.mark.parametrize("name", optimizer.names())
def test_training_lowers_a_loss_and_resumes_to_the_same_bits(name: str) -> None:
    make = optimizer.spec({"kind": name, "lr": 0.05}).bind()
    images, targets = torch.randn(2, 16, 2, generator=torch.Generator().manual_seed(0)).double()

    def train(module: nn.Linear, made: Optimizer, steps: int) -> float:
        loss = torch.zeros(())
        for _ in range(steps):
            made.zero_grad()
            loss = (module(images) - targets).square().mean()
            loss.backward()
            made.step()
        return loss.item()

    module = layer()
    made = make(module)
    first = train(module, made, 1)
    train(module, made, 4)
    stored = io.BytesIO()
    torch.save([module.state_dict(), made.state_dict()], stored)
    stored.seek(0)
    resumed = layer()
    remade = make(resumed)
    weights, state = torch.load(stored, weights_only=True)
    resumed.load_state_dict(weights)
    remade.load_state_dict(state)
    assert train(module, made, 10) < first
    train(resumed, remade, 10)
    assert torch.equal(module.weight, resumed.weight)
    assert torch.equal(module.bias, resumed.bias)


@pytest.mark.parametrize("name", optimizer.names())
@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_learning_rates_are_refused(name: str, lr: float) -> None:
    with pytest.raises(ValueError, match="Expected a positive number of argument `lr`"):
        optimizer.get(name).target(layer(), lr=lr)
    with pytest.raises(ValueError, match="lr"):
        optimizer.spec({"kind": name, "lr": lr})


@pytest.mark.parametrize("name", optimizer.names())
def test_every_bounded_number_is_checked_in_a_direct_call_too(name: str) -> None:
    entry = optimizer.get(name)
    checked = 0
    for argument, field in entry.parameters.model_fields.items():
        if argument in ("lr", "decay_norm_and_bias"):
            continue
        assert "float" in str(field.annotation)
        with pytest.raises(ValueError, match=f"`{argument}`"):
            entry.make(layer(), lr=0.1, **{argument: -0.5})
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("name", optimizer.names())
def test_a_name_alone_is_an_optimizer(name: str) -> None:
    made = optimizer.spec(name).bind()(layer())
    assert all(group["lr"] > 0 for group in made.param_groups)

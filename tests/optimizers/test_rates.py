"""Learning rates by the depth of a block, and one of the heads, for every optimiser."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.blocks import blocks_of
from supcon_ext.models.freezing import freeze
from supcon_ext.models.network import Network, build_network
from supcon_ext.optimizers.base import optimizer
from supcon_ext.testing import check_optimizer

TIMM = ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_mambaout"]


def network(kind: str = "resnet18_small", **params: Any) -> Network:
    params = params or {"width": 2}
    return build_network(backbone.spec({"kind": kind, **params}).bind(), 3, 4, seed=0)


def rates(made: Optimizer, module: nn.Module) -> dict[str, float]:
    """The learning rate of each parameter, by its name."""
    of = {id(p): group["lr"] for group in made.param_groups for p in group["params"]}
    return {name: of[id(p)] for name, p in module.named_parameters() if id(p) in of}


@pytest.mark.parametrize("name", optimizer.names())
def test_rates_fall_from_block_to_block_and_heads_have_their_own(name: str) -> None:
    module = network()
    spec = {"kind": name, "lr": 0.5, "layer_decay": 0.5, "head_lr": 3.0}
    found = rates(optimizer.spec(spec).bind()(module), module)
    assert found.keys() == dict(module.named_parameters()).keys()
    expected = {"0": 2**-5, "1": 2**-5, "3.0": 2**-4, "3.1": 2**-3, "3.2": 2**-2, "3.3": 2**-1}
    for parameter, lr in found.items():
        path = parameter.removeprefix("backbone.trunk.")
        if path == parameter:
            assert lr == 3.0
        else:
            (factor,) = (f for at, f in expected.items() if path.startswith(f"{at}."))
            assert lr == 0.5 * factor, parameter


@pytest.mark.parametrize("name", optimizer.names())
@pytest.mark.parametrize("rate", [{}, {"layer_decay": 0.7}, {"head_lr": 0.2}])
def test_every_optimizer_keeps_its_contract_with_any_rates(name: str, rate: dict[str, Any]) -> None:
    make = optimizer.spec({"kind": name, **rate}).bind()
    check_optimizer(make)
    plain = optimizer.get(name).target(module := network())
    made = make(module)
    kept = {id(p): g for g in plain.param_groups for p in g["params"]}
    for group in made.param_groups:
        for parameter in group["params"]:
            before = kept[id(parameter)]
            unlike = {key for key in before if key not in ("params", "name", "lr")}
            assert all(group[key] == before[key] for key in unlike)
    if not rate:
        for one, other in zip(made.param_groups, plain.param_groups, strict=True):
            assert [id(p) for p in one["params"]] == [id(p) for p in other["params"]]
            assert one["lr"] == other["lr"]


@pytest.mark.parametrize("name", TIMM)
def test_depths_are_those_of_timms_own_layer_decay(name: str) -> None:
    from timm import create_model
    from timm.optim import param_groups_layer_decay

    oracle = create_model(name, num_classes=5)
    expected = {
        id(p): g["lr_scale"]
        for g in param_groups_layer_decay(oracle, layer_decay=0.6)
        for p in g["params"]
    }
    named = {key: expected[id(p)] for key, p in oracle.named_parameters()}
    module = network("timm", name=name)
    made = optimizer.spec({"kind": "adamw", "lr": 1.0, "layer_decay": 0.6}).bind()(module)
    found = {k.removeprefix("backbone.trunk."): v for k, v in rates(made, module).items()}
    inside = {key: lr for key, lr in found.items() if key in named}
    assert len(inside) > 10
    assert inside == pytest.approx({key: named[key] for key in inside})


def test_a_head_of_equal_rate_gives_the_steps_of_one_group() -> None:
    finals = []
    for extra in ({}, {"head_lr": 0.1}):
        module = network()
        made = optimizer.spec({"kind": "sgd", "lr": 0.1, **extra}).bind()(module)
        images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        for _ in range(2):
            outputs = module(images)
            (outputs.z[:, 0].sum() + outputs.logits.square().sum()).backward()
            made.step()
            made.zero_grad()
        finals.append(module.state_dict())
    assert all(torch.equal(finals[0][key], finals[1][key]) for key in finals[0])


@pytest.mark.parametrize("name", optimizer.names())
def test_frozen_parameters_are_in_no_group_and_do_not_move(name: str) -> None:
    module = network()
    freeze(module.backbone, "layer2")
    before = {key: value.clone() for key, value in module.state_dict().items()}
    spec = {"kind": name, "weight_decay": 0.1, "layer_decay": 0.5}
    made = optimizer.spec(spec).bind()(module)
    module(torch.rand(4, 3, 16, 16)).logits.square().sum().backward()
    made.step()
    frozen = [n for n, p in module.named_parameters() if not p.requires_grad]
    assert any(n.startswith("backbone.trunk.3.1.") for n in frozen)
    assert not rates(made, module).keys() & set(frozen)
    assert len(made.state) <= sum(p.requires_grad for p in module.parameters())
    after = module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in frozen)
    assert not torch.equal(before["classifier.linear.weight"], after["classifier.linear.weight"])


def test_a_plugin_that_knows_nothing_of_rates_has_them() -> None:
    @optimizer("plain_sgd_of_a_test")
    def plain(module: nn.Module, *, lr: float = 1.0) -> Optimizer:
        return torch.optim.SGD(module.parameters(), lr=lr)

    try:
        made = optimizer.spec({"kind": "plain_sgd_of_a_test", "head_lr": 7.0}).bind()(network())
        assert {group["lr"] for group in made.param_groups} == {1.0, 7.0}
    finally:
        del optimizer._entries["plain_sgd_of_a_test"]


@pytest.mark.parametrize("decay", [0.0, -1.0, 1.5, float("nan")])
def test_factors_outside_are_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="layer_decay"):
        optimizer.spec({"kind": "adamw", "layer_decay": decay})
    with pytest.raises(ValueError, match="`layer_decay`"):
        optimizer.get("adamw").make(network(), layer_decay=decay)


def test_a_trunk_without_blocks_is_one() -> None:
    lone = Backbone(nn.Linear(4, 3), 3)
    assert blocks_of(lone) == []
    module = nn.ModuleList([lone, nn.Linear(3, 2)])
    made = optimizer.spec({"kind": "sgd", "lr": 1.0, "layer_decay": 0.5}).bind()(module)
    assert list(rates(made, module).values()) == [0.5, 0.5, 1.0, 1.0]

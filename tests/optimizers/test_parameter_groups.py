import pytest
import torch
from torch import nn

from supcon_ext.models.base import backbone
from supcon_ext.models.network import build_network
from supcon_ext.optimizers.parameter_groups import parameter_groups


@pytest.mark.parametrize("name", ["conv4", "resnet32", "preact_resnet18"])
@pytest.mark.parametrize("together", [False, True])
def test_groups_are_complete_and_disjoint(name: str, together: bool) -> None:
    make = backbone.spec({"kind": name, "width": 2}).bind()
    network = build_network(make, 3, 4, seed=0)
    groups = parameter_groups(network, 1e-3, together)
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(found) == len(set(found))
    assert set(found) == {id(parameter) for parameter in network.parameters()}


def test_normalisation_and_biases_do_not_decay() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LayerNorm(3), nn.Linear(3, 4))
    weights, rest = parameter_groups(module, 0.5, decay_norm_and_bias=False)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert [names[id(parameter)] for parameter in weights["params"]] == ["0.weight", "3.weight"]
    assert len(rest["params"]) == 6
    assert (weights["name"], weights["weight_decay"]) == ("weights", 0.5)
    assert (rest["name"], rest["weight_decay"]) == ("norm_and_bias", 0.0)
    (everything,) = parameter_groups(module, 0.5, decay_norm_and_bias=True)
    assert (everything["name"], everything["weight_decay"]) == ("all", 0.5)


def test_tied_parameters_come_once_and_frozen_ones_never() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    module[2].requires_grad_(False)
    weights, biases = parameter_groups(module, 0.1, decay_norm_and_bias=False)
    assert len(weights["params"]) == 1
    assert weights["params"][0] is module[0].weight
    assert len(biases["params"]) == 2


def test_no_empty_group() -> None:
    groups = parameter_groups(nn.Linear(2, 2, bias=False), 0.1, decay_norm_and_bias=False)
    assert [group["name"] for group in groups] == ["weights"]
    groups = parameter_groups(nn.BatchNorm1d(2), 0.1, decay_norm_and_bias=False)
    assert [group["name"] for group in groups] == ["norm_and_bias"]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="trainable parameters of argument `module`, but got none"):
        parameter_groups(nn.ReLU(), 0.1, decay_norm_and_bias=False)
    for decay in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`weight_decay`"):
            parameter_groups(nn.Linear(2, 2), decay, decay_norm_and_bias=False)


def test_a_module_list_of_network_and_loss_parts_is_one_module() -> None:
    parts = nn.ModuleList([nn.Linear(2, 2), nn.ParameterList([torch.zeros(3)])])
    groups = parameter_groups(parts, 0.1, decay_norm_and_bias=False)
    assert [len(group["params"]) for group in groups] == [1, 2]

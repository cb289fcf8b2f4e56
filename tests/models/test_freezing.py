"""Frozen blocks: no gradient, no statistics counted, on any backbone; gradient checkpointing."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.batch_norms import BATCH_NORMS
from supcon_ext.models.blocks import block_places, blocks_of
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.freezing import freeze
from supcon_ext.models.network import build_network
from supcon_ext.models.new_weights import network_like
from supcon_ext.models.recomputing import recompute_blocks
from supcon_ext.seeding import seeded_weights

MADE: dict[str, dict[str, Any]] = {
    "conv4": {"width": 2},
    "resnet18_small": {"width": 2},
    "resnet50_small": {"width": 1},
    "resnet32": {"width": 2},
    "preact_resnet18": {"width": 2},
    "timm": {"name": "test_resnet"},
}
NAMES = {
    "conv4": ["conv1", "conv2", "conv3", "conv4"],
    "resnet18_small": ["stem", "layer1", "layer2", "layer3", "layer4"],
    "resnet50_small": ["stem", "layer1", "layer2", "layer3", "layer4"],
    "resnet32": ["stem", "layer1", "layer2", "layer3"],
    "preact_resnet18": ["stem", "layer1", "layer2", "layer3", "layer4", "last"],
}


def make(kind: str, **params: Any) -> Backbone:
    with seeded_weights(0, "test"):
        return backbone.get(kind).target(3, **(params or MADE[kind]))


def images(count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", MADE)
def test_every_weight_stands_in_one_block_in_order(name: str) -> None:
    encoder = make(name)
    blocks = blocks_of(encoder)
    if name in NAMES:
        assert [block.name for block in blocks] == NAMES[name]
    for key, _ in encoder.trunk.named_parameters():
        assert sum(block.holds(key) for block in blocks) == 1
    places = list(block_places(encoder).values())
    assert places == sorted(places)
    assert set(places) == set(range(len(blocks)))


@pytest.mark.parametrize("name", MADE)
def test_blocks_up_to_each_one_freeze_and_only_they(name: str) -> None:
    for place, block in enumerate(blocks_of(make(name))):
        encoder = make(name)
        places = block_places(encoder)
        freeze(encoder, block.name)
        encoder.train()
        before = copy.deepcopy(encoder.state_dict())
        encoder(images().requires_grad_()).square().sum().backward()
        for key, parameter in encoder.trunk.named_parameters():
            frozen = places[key] <= place
            assert parameter.requires_grad is not frozen
            assert (parameter.grad is None) is frozen
        for path, module in encoder.trunk.named_modules():
            if isinstance(module, BATCH_NORMS):
                assert module.training is not (places[f"{path}.weight"] <= place)
        moved = {k for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])}
        norms = [p for p, m in encoder.trunk.named_modules() if isinstance(m, BATCH_NORMS)]
        expected = {p for p in norms if places[f"{p}.weight"] > place}
        assert {k.removeprefix("trunk.").rpartition(".")[0] for k in moved} == expected


@pytest.mark.parametrize("name", MADE)
def test_a_frozen_encoder_needs_no_graph_and_is_that_of_evaluation(name: str) -> None:
    encoder = make(name)
    freeze(encoder, "all")
    features = encoder.train()(images())
    assert features.grad_fn is None and not features.requires_grad
    assert torch.equal(features, encoder.eval()(images()))
    assert not any(module.training for module in encoder.train().trunk.modules())


def test_a_name_that_several_blocks_begin_with_is_the_last_of_them() -> None:
    one, other = make("timm"), make("timm")
    freeze(one, "layer2")
    freeze(other, "layer2.0")
    flags = [[p.requires_grad for p in each.parameters()] for each in (one, other)]
    assert flags[0] == flags[1]
    vit = make("timm", name="test_vit", image_size=32)
    freeze(vit, "blocks.0")
    trained = {k for k, p in vit.trunk.named_parameters() if p.requires_grad}
    assert not any(k.startswith(("cls_token", "pos_embed", "patch_embed")) for k in trained)
    assert any(k.startswith("blocks.1.") for k in trained)


@pytest.mark.parametrize("name", MADE)
def test_names_that_are_not_there_list_those_that_are(name: str) -> None:
    encoder = make(name)
    for wrong in ("layr2", "", "all.0"):
        with pytest.raises(ValueError, match=r"in model.freeze, but got .*Try: all, ") as raised:
            freeze(encoder, wrong)
        assert all(block.name in str(raised.value) for block in blocks_of(encoder))


def test_the_twin_and_a_second_network_are_frozen_alike() -> None:
    network = build_network(lambda channels: make("resnet18_small"), 3, 4, seed=0)
    freeze(network.backbone, "layer3")
    twin = EMATwin(network, 0.5)
    twin.train()
    stem = twin.network.backbone.trunk.get_submodule("1")
    assert not stem.training and twin.network.backbone.trunk.get_submodule("3.3.0.bn1").training
    before = {
        k: v.clone()
        for k, v in twin.network.backbone.trunk.get_submodule("3.0").state_dict().items()
    }
    twin(images())
    twin.update(network)
    after = twin.network.backbone.trunk.get_submodule("3.0").state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    peer = network_like(network, 0, "peer")
    peer.train()
    assert [p.requires_grad for p in peer.parameters()] == [
        p.requires_grad for p in network.parameters()
    ]
    assert not peer.backbone.trunk.get_submodule("1").training


def test_a_second_network_keeps_an_encoder_that_was_pretrained() -> None:
    network = build_network(lambda channels: make("conv4"), 3, 4, seed=0)
    drawn = network_like(network, 0, "peer").state_dict()
    network.backbone.pretrained = True
    kept = network_like(network, 0, "peer").state_dict()
    own = network.state_dict()
    for key in (k for k, v in own.items() if v.is_floating_point() and v.ndim > 1):
        assert torch.equal(kept[key], own[key]) is key.startswith("backbone.")
        assert not torch.equal(drawn[key], own[key])


@pytest.mark.parametrize("up_to", ["layer2", "all"])
def test_ddp_wants_no_gradient_of_what_is_frozen(tmp_path: Any, up_to: str) -> None:
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        network = build_network(lambda channels: make("resnet18_small"), 3, 4, seed=0)
        freeze(network.backbone, up_to)
        wrapped = DistributedDataParallel(network)  # of which all that is left is used
        for _ in range(2):
            outputs = wrapped(images())
            (outputs.z[:, 0].sum() + outputs.logits[:, 0].sum()).backward()
        assert all((p.grad is not None) is p.requires_grad for p in network.parameters())
    finally:
        distributed.destroy_process_group()


RECOMPUTED = {name: params for name, params in MADE.items() if name != "conv4"}


@pytest.mark.parametrize("name", [*RECOMPUTED, "vit"])
@pytest.mark.parametrize("frozen", [None, 2])
def test_recomputed_blocks_give_the_same_numbers(name: str, frozen: int | None) -> None:
    found = []
    for recomputed in (False, True):
        if name == "vit":
            encoder = make("timm", name="test_vit", image_size=32)
        else:
            encoder = make(name)
        if frozen is not None:
            freeze(encoder, blocks_of(encoder)[frozen].name)
        if recomputed:
            recompute_blocks(encoder)
            encoder = copy.deepcopy(encoder)
        for step in range(2):
            encoder.zero_grad()
            encoder(images(seed=step)).square().mean().backward()
            with torch.no_grad():
                for p in encoder.parameters():
                    p -= 0 if p.grad is None else 0.01 * p.grad
        found.append((encoder.state_dict(), encoder.eval()(images())))
    (state, features), (again, same) = found
    assert state.keys() == again.keys()
    assert all(torch.equal(state[key], again[key]) for key in state)
    assert torch.equal(features, same)


def test_recomputed_blocks_keep_less_for_the_backward_pass() -> None:
    kept = []
    for recomputed in (False, True):
        encoder = make("resnet18_small")
        if recomputed:
            recompute_blocks(encoder)
        sizes: list[int] = []

        def pack(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            encoder(images())
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]


@pytest.mark.parametrize("trunk", [nn.Linear(2, 2), nn.Sequential(nn.Flatten(), nn.Linear(4, 2))])
def test_an_encoder_without_blocks_is_not_recomputed(trunk: nn.Module) -> None:
    for encoder in (Backbone(trunk, 2), make("conv4")):
        with pytest.raises(ValueError, match="encoder of several blocks for"):
            recompute_blocks(encoder)

"""LoRA through peft: what is trained, what is saved, what is exported."""

import copy
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.batch_norms import BATCH_NORMS
from supcon_ext.models.lora import add_lora, merged
from supcon_ext.models.recomputing import recompute_blocks
from supcon_ext.seeding import seeded_weights

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "linear": ({"kind": "timm", "name": "test_vit", "image_size": 32}, ["qkv", "mlp.fc1"]),
    "conv": ({"kind": "resnet18_small", "width": 2}, ["conv1", "conv2"]),
    "one": ({"kind": "resnet18_small", "width": 2}, ["3.1.0.conv2"]),
    "grouped": ({"kind": "timm", "name": "test_efficientnet"}, ["conv_pw", "conv_pwl"]),
}
SETTINGS: dict[str, Any] = {"rank": 2, "alpha": 4.0, "dropout": 0.0}


def make(case: str, seed: int = 0, lora: bool = True, **settings: Any) -> Backbone:
    params, targets = CASES[case]
    with seeded_weights(seed, "test"):
        made = backbone.spec(params).bind()(3)
        if lora:
            add_lora(made, **{**SETTINGS, "targets": targets, **settings})
    return made


def images() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def trained(made: Backbone, steps: int = 2) -> Backbone:
    parameters = [p for p in made.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.5, weight_decay=0.1)
    made.train()
    for _ in range(steps):
        optimizer.zero_grad()
        made(images()).square().mean().backward()
        optimizer.step()
    return made


@pytest.mark.parametrize("case", CASES)
def test_only_the_updates_are_trained_and_they_begin_at_nothing(case: str) -> None:
    plain, adapted = make(case, lora=False).eval(), make(case).eval()
    torch.testing.assert_close(plain(images()), adapted(images()))
    names = {k for k, p in adapted.named_parameters() if p.requires_grad}
    assert names and all("lora_" in name for name in names)
    before = copy.deepcopy(adapted.state_dict())
    after = trained(adapted).state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved == names
    norms = [m for m in adapted.train().modules() if isinstance(m, (*BATCH_NORMS, nn.LayerNorm))]
    assert norms and not any(norm.training for norm in norms)


@pytest.mark.parametrize("case", CASES)
def test_the_merged_encoder_is_a_plain_one_of_the_same_features(case: str) -> None:
    adapted = trained(make(case)).eval()
    made = merged(adapted)
    plain = make(case, seed=9, lora=False)
    assert made.state_dict().keys() == plain.state_dict().keys()
    plain.load_state_dict(made.state_dict())
    torch.testing.assert_close(plain.eval()(images()), adapted(images()), rtol=1e-4, atol=1e-5)
    assert any("lora_" in key for key in adapted.state_dict())
    assert merged(plain) is plain


@pytest.mark.parametrize("case", CASES)
def test_a_fresh_instance_goes_on_from_the_state(case: str) -> None:
    first = trained(make(case))
    fresh = make(case, seed=5)
    fresh.load_state_dict(first.state_dict())
    one, other = trained(first).state_dict(), trained(fresh).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_updates_follow_from_the_seed_and_go_with_recomputing() -> None:
    one, other = make("linear").state_dict(), make("linear").state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    plain, saved = make("linear", dropout=0.3), make("linear", dropout=0.3)
    recompute_blocks(saved)
    states = []
    for each in (plain, saved):
        torch.manual_seed(0)
        states.append(trained(each).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("targets", [["qvk"], ["qkv", "nothing"], ["norm1"], ["blocks"], ["kv"]])
def test_targets_that_name_no_layer_are_told_what_there_is(targets: list[str]) -> None:
    with pytest.raises(ValueError, match=r"model.lora.targets, but '.*' names none. Try: .*qkv"):
        make("linear", targets=targets)


class Odd(nn.Conv2d):
    """A convolution that is not made as torch's are."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2, 1)


def test_layers_that_peft_cannot_adapt_are_refused() -> None:
    trunk = nn.Sequential(Odd(3), nn.Conv2d(2, 4, 3, groups=2), nn.AdaptiveAvgPool2d(1))
    encoder = Backbone(trunk.append(nn.Flatten()), 4)
    with pytest.raises(ValueError, match=r"layers that peft adapts .* \(Odd\)"):
        add_lora(encoder, **SETTINGS, targets=["0"])
    with pytest.raises(ValueError, match="1 is a convolution in groups"):
        add_lora(encoder, **SETTINGS, targets=["1"])


def test_without_peft_one_line_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "supcon-ext\[lora\]"'):
        make("conv")

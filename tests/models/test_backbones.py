import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18 as torchvision_resnet18

from supcon_ext.models.backbones.preact_resnet import PreActBlock
from supcon_ext.models.backbones.resnet import stem_for_channels
from supcon_ext.models.backbones.resnet_cifar import PaddedShortcut
from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.residual import kaiming_fan_out

REQUIRED: dict[str, dict[str, Any]] = {"timm": {"name": "test_resnet"}}

# Colour images, no classifier: 11,689,512 of torchvision's resnet18, less its classifier's 513,000.
PARAMETERS = {
    "resnet18": 11_176_512,
    "vit_small_images": 2_691_648,
    "resnet34": 21_284_672,
    "resnet50": 23_508_032,
    "resnet101": 42_500_160,
    "resnet152": 58_143_808,
    "resnet18_small": 11_168_832,
    "resnet34_small": 21_276_992,
    "resnet50_small": 23_500_352,
    "resnet32": 463_504,
    "preact_resnet18": 11_167_040,
    "conv4": 102_752,
}


def make(name: str, channels: int, **settings: Any) -> Backbone:
    return backbone.get(name).target(channels, **REQUIRED.get(name, {}), **settings)


@pytest.mark.parametrize("name", backbone.that_take("image"))
def test_colour_images_become_dim_features_and_the_size_is_known(name: str) -> None:
    network = make(name, 3)
    features = network(torch.rand(2, 3, 16, 16))
    assert features.shape == (2, network.dim)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    if name != "timm":
        assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", backbone.that_take("image"))
def test_other_channels_change_the_first_layer_only(name: str) -> None:
    with torch.device("meta"):
        colour = make(name, 3).state_dict()
        for channels in (1, 5, 16) if name in ("conv4", "resnet32", "timm") else (1, 12):
            other = make(name, channels)
            different = [
                key
                for key, tensor in other.state_dict().items()
                if tensor.shape != colour[key].shape
            ]
            assert len(different) == 1
            images = torch.empty(2, channels, 16, 16, device="meta")
            assert other(images).shape == (2, other.dim)


def test_every_backbone_has_its_parameters_counted() -> None:
    assert set(PARAMETERS) | {"timm"} == set(backbone.that_take("image"))


def test_small_resnet_is_torchvisions_with_another_stem() -> None:
    oracle = torchvision_resnet18()
    oracle.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    oracle.maxpool = nn.Identity()
    oracle.fc = nn.Identity()
    mine = make("resnet18_small", 3)
    values = oracle.state_dict().values()
    mine.load_state_dict(dict(zip(mine.state_dict(), values, strict=True)))
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(mine(images), oracle(images), rtol=1e-4, atol=1e-5)


def test_widths_scale_the_features() -> None:
    assert make("resnet18_small", 1, width=8).dim == 64
    assert make("resnet50_small", 1, width=8).dim == 256
    assert make("resnet32", 1, width=4).dim == 16
    assert make("preact_resnet18", 1, width=8).dim == 64
    assert make("conv4", 1, width=8).dim == 32


@pytest.mark.parametrize("name", ["resnet18_small", "resnet32", "preact_resnet18", "conv4"])
def test_width_zero_is_refused_directly_and_in_a_recipe(name: str) -> None:
    with pytest.raises(ValueError, match="`width`"):
        make(name, 1, width=0)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        backbone.spec({"kind": name, "width": 0})


NARROW = [
    ("resnet18_small", 2),
    ("resnet34_small", 9),
    ("resnet50_small", 1),
    ("preact_resnet18", 2),
]


@pytest.mark.parametrize("given", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("name", "width"), NARROW)
def test_narrow_strided_shortcuts_have_the_gradient_of_the_formula(
    name: str, width: int, given: torch.memory_format
) -> None:
    # oneDNN writes past its memory where these are kept channels-last
    torch.manual_seed(0)
    network = make(name, 3, width=width)
    seen: dict[nn.Conv2d, list[Tensor]] = {}
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) != module.stride:
            module.register_forward_hook(
                lambda layer, args, out: seen.update({layer: [args[0], out]})
            )
    for _ in range(3):
        network.zero_grad()
        features = network(torch.randn(4, 3, 16, 16).to(memory_format=given))
        for _, out in seen.values():
            out.retain_grad()
        features.square().sum().backward()
        for layer, (taken, out) in seen.items():
            rows, columns = layer.stride
            assert out.grad is not None
            wanted = torch.einsum(
                "bihw,bohw->oi", taken[..., ::rows, ::columns].double(), out.grad.double()
            )
            assert layer.weight.grad is not None
            found = layer.weight.grad[..., 0, 0].double()
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
            if layer.in_channels < 16:
                assert taken.is_contiguous()
    assert len(seen) == 3


@pytest.mark.parametrize(("name", "settings"), [("resnet18_small", {}), ("conv4", {"width": 2})])
def test_others_are_kept_channels_last(name: str, settings: dict[str, Any]) -> None:
    network = make(name, 3, **settings)
    weights = [weight for weight in network.parameters() if weight.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    reached: list[Tensor] = []
    network.trunk.register_forward_pre_hook(lambda _, args: reached.append(args[0]))
    network(torch.randn(2, 3, 16, 16))
    assert reached[0].is_contiguous(memory_format=torch.channels_last)


def test_padded_shortcut_skips_pixels_and_adds_zeros_on_both_sides() -> None:
    images = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    out = PaddedShortcut(1, 3, 2)(images)
    assert out[0, 1].tolist() == [[1.0, 3.0], [9.0, 11.0]]
    assert out[0, [0, 2]].abs().sum() == 0
    assert PaddedShortcut(3, 6, 2)(torch.ones(1, 3, 4, 4)).shape == (1, 6, 2, 2)


def test_resnet32_has_31_convolutions_and_no_projection() -> None:
    sizes = [
        module.kernel_size
        for module in make("resnet32", 3).modules()
        if isinstance(module, nn.Conv2d)
    ]
    assert sizes == [(3, 3)] * 31


def test_nothing_follows_the_addition_of_a_preactivation_block() -> None:
    block = PreActBlock(2, 2, 1, None)
    nn.init.zeros_(block.conv2.weight)
    images = torch.randn(3, 2, 4, 4)
    assert torch.equal(block(images), images)


def test_preactivation_shortcut_sees_the_activated_input() -> None:
    block = PreActBlock(2, 2, 1, nn.Identity()).eval()
    nn.init.zeros_(block.conv2.weight)
    images = torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(block(images), images.relu(), rtol=1e-4, atol=1e-5)


def test_convolutions_start_with_kaiming_fan_out() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 128, 3)
    kaiming_fan_out(nn.Sequential(layer))
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.02)


def test_pretrained_stem_answers_grey_as_repeated_colour() -> None:
    colour = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
    grey = stem_for_channels(colour, 1, pretrained=True)
    images = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(grey(images), colour(images.repeat(1, 3, 1, 1)))
    assert stem_for_channels(colour, 3, pretrained=True) is colour
    with pytest.raises(ValueError, match="Expected 1 or 3 of argument `channels`"):
        stem_for_channels(colour, 4, pretrained=True)


def test_timm_vision_transformer_for_small_grey_images() -> None:
    network = make_timm(1, name="test_vit", image_size=32)
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, network.dim)


def test_timm_features_after_a_hidden_head_have_its_size() -> None:
    with torch.device("meta"):
        network = make_timm(3, name="mobilenetv3_small_050")
        assert network(torch.empty(2, 3, 32, 32)).shape == (2, 1024)
    assert network.dim == 1024


def test_timm_mistakes_are_explained() -> None:
    with pytest.raises(ValueError, match=r"`name`, but got 'resnet51'. Try: .*resnet50"):
        make_timm(3, name="resnet51")
    with pytest.raises(ValueError, match="Expected no argument `image_size`"):
        make_timm(3, name="test_resnet", image_size=32)


def make_timm(channels: int, **settings: Any) -> Backbone:
    return backbone.get("timm").target(channels, **settings)


def test_a_trunk_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"features of shape \(batch, 5\) from the trunk"):
        Backbone(nn.Flatten(), dim=5)(torch.rand(2, 1, 2, 2))
    with pytest.raises(ValueError, match="argument `dim`, but got 0"):
        Backbone(nn.Flatten(), dim=0)

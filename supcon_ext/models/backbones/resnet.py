"""ResNets for large images (7x7 stride-2 stem, max-pool), from torchvision.

Source: He et al. 2016, "Deep residual learning for image recognition", Table 1.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import torch
from torch import nn

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.fetching import fetching
from supcon_ext.models.own_input import OwnInput

OWN_INPUT = OwnInput((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224)  # of IMAGENET1K_V1


@backbone("resnet18")
def resnet18(channels: int, *, pretrained: bool = False) -> Backbone:
    """ResNet-18 for images of about 224 pixels; 512 features."""
    return _from_torchvision("resnet18", channels, pretrained)


@backbone("resnet34")
def resnet34(channels: int, *, pretrained: bool = False) -> Backbone:
    """ResNet-34 for images of about 224 pixels; 512 features."""
    return _from_torchvision("resnet34", channels, pretrained)


@backbone("resnet50")
def resnet50(channels: int, *, pretrained: bool = False) -> Backbone:
    """ResNet-50 for images of about 224 pixels; 2048 features."""
    return _from_torchvision("resnet50", channels, pretrained)


@backbone("resnet101")
def resnet101(channels: int, *, pretrained: bool = False) -> Backbone:
    """ResNet-101 for images of about 224 pixels; 2048 features."""
    return _from_torchvision("resnet101", channels, pretrained)


@backbone("resnet152")
def resnet152(channels: int, *, pretrained: bool = False) -> Backbone:
    """ResNet-152 for images of about 224 pixels; 2048 features."""
    return _from_torchvision("resnet152", channels, pretrained)


def _from_torchvision(name: str, channels: int, pretrained: bool) -> Backbone:
    """The network without its classifier; pretrained: torchvision's ``IMAGENET1K_V1`` weights."""
    from torchvision.models import get_model

    with fetching(f"torchvision's weights of {name}") if pretrained else nullcontext():
        network: nn.Module = get_model(name, weights="IMAGENET1K_V1" if pretrained else None)
    dim = cast(nn.Linear, network.fc).in_features
    network.fc = nn.Identity()
    network.conv1 = stem_for_channels(cast(nn.Conv2d, network.conv1), channels, pretrained)
    return Backbone(network, dim, own_input=OWN_INPUT, pretrained=pretrained)


def stem_for_channels(stem: nn.Conv2d, channels: int, pretrained: bool) -> nn.Conv2d:
    """The first convolution for another number of image channels.

    Without pretrained weights it is drawn anew. With them, a grey image gets the sum of the colour
    weights: the answer is then that of the colour network on the grey image repeated three times.

    Args:
        stem: Convolution over 3 channels.
        channels: Channels of the images.
        pretrained: Whether the weights are worth keeping.

    Raises:
        ValueError: Pretrained weights and neither 1 nor 3 channels.
    """
    if channels == stem.in_channels:
        return stem
    if pretrained and channels != 1:
        raise ValueError(
            "Expected 1 or 3 of argument `channels` for pretrained weights, but got "
            f"{channels}. Try: pretrained=False."
        )
    size = cast(tuple[int, int], stem.kernel_size)
    stride = cast(tuple[int, int], stem.stride)
    padding = cast(tuple[int, int], stem.padding)
    fresh = nn.Conv2d(channels, stem.out_channels, size, stride, padding, bias=False)
    if pretrained:
        with torch.no_grad():
            fresh.weight.copy_(stem.weight.sum(dim=1, keepdim=True))
    else:
        nn.init.kaiming_normal_(fresh.weight, mode="fan_out", nonlinearity="relu")
    return fresh

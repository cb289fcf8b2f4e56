"""ResNets for small images: a 3x3 stride-1 stem, no max-pool; the encoders of SupCon on CIFAR.

Source: Khosla et al. 2020, "Supervised contrastive learning"; the blocks are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import nn

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.residual import (
    BlockFactory,
    conv3x3,
    kaiming_fan_out,
    residual_stages,
    stage_names,
)

Width = Annotated[int, Field(ge=1, description="channels of the first stage")]


@backbone("resnet18_small")
def resnet18_small(channels: int, *, width: Width = 64) -> Backbone:
    """ResNet-18 for images of about 32 pixels; 8 * width features (512)."""
    from torchvision.models.resnet import BasicBlock

    return _small(BasicBlock, (2, 2, 2, 2), channels, width)


@backbone("resnet34_small")
def resnet34_small(channels: int, *, width: Width = 64) -> Backbone:
    """ResNet-34 for images of about 32 pixels; 8 * width features (512)."""
    from torchvision.models.resnet import BasicBlock

    return _small(BasicBlock, (3, 4, 6, 3), channels, width)


@backbone("resnet50_small")
def resnet50_small(channels: int, *, width: Width = 64) -> Backbone:
    """ResNet-50 for images of about 32 pixels; 32 * width features (2048)."""
    from torchvision.models.resnet import Bottleneck

    return _small(Bottleneck, (3, 4, 6, 3), channels, width, Bottleneck.expansion)


def _small(
    block: BlockFactory, depths: Sequence[int], channels: int, width: int, expansion: int = 1
) -> Backbone:
    trunk = nn.Sequential(
        conv3x3(channels, width),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        residual_stages(block, depths, width, shortcut=_projection, expansion=expansion),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return Backbone(
        kaiming_fan_out(trunk), dim=8 * width * expansion, blocks=stage_names(4, stem=("0", "1"))
    )


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """He et al.'s option B: a strided 1x1 convolution with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )

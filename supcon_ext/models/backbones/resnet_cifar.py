"""The thin ResNet of the CIFAR experiments: three stages of 16, 32 and 64 channels.

Source: He et al. 2016, "Deep residual learning for image recognition", section 4.2.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.residual import conv3x3, kaiming_fan_out, residual_stages, stage_names


@backbone("resnet32")
def resnet32(
    channels: int,
    *,
    width: Annotated[int, Field(ge=1)] = 16,
) -> Backbone:
    """Thin ResNet-32, the long-tail encoder of CIFAR; 4 * width features (64)."""
    from torchvision.models.resnet import BasicBlock

    trunk = nn.Sequential(
        conv3x3(channels, width),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        residual_stages(BasicBlock, (5, 5, 5), width, shortcut=PaddedShortcut),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    blocks = stage_names(3, stem=("0", "1"))
    return Backbone(kaiming_fan_out(trunk), dim=4 * width, blocks=blocks)


class PaddedShortcut(nn.Module):
    """He et al.'s option A: every ``stride``-th pixel, zeros in the new channels, no parameters.

    The zeros go half before and half after the old channels.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out, at least ``in_channels``.
        stride: Step between the pixels that are kept.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before
        self.stride = stride

    def forward(self, images: Tensor) -> Tensor:
        """``(B, in_channels, H, W)`` to ``(B, out_channels, H / stride, W / stride)``."""
        kept = images[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, self.before, self.after))

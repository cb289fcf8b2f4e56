"""The pre-activation ResNet, the usual encoder of noisy-label papers on CIFAR.

Source: He et al. 2016, "Identity mappings in deep residual networks", Figure 1b and the appendix.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.residual import conv3x3, kaiming_fan_out, residual_stages, stage_names


@backbone("preact_resnet18")
def preact_resnet18(channels: int, *, width: Annotated[int, Field(ge=1)] = 64) -> Backbone:
    """Pre-activation ResNet-18 for images of about 32 pixels; 8 * width features (512).

    With batch normalisation and ReLU after the last block, as in the paper; several public
    noisy-label codes leave the two out.
    """
    trunk = nn.Sequential(
        conv3x3(channels, width),
        residual_stages(PreActBlock, (2, 2, 2, 2), width, shortcut=_projection),
        nn.BatchNorm2d(8 * width),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    blocks = stage_names(4, stem=("0",), stages="1", last=("2",))
    return Backbone(kaiming_fan_out(trunk), dim=8 * width, blocks=blocks)


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after batch normalisation and ReLU; nothing follows the addition.

    Args:
        in_channels: Channels that come in.
        planes: Channels that go out.
        stride: Stride of the first convolution.
        shortcut: Skip connection, applied to the activated input; None passes the input itself.
    """

    def __init__(
        self, in_channels: int, planes: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = conv3x3(in_channels, planes, stride)
        self.norm2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.shortcut = shortcut

    def forward(self, images: Tensor) -> Tensor:
        """``(B, in_channels, H, W)`` to ``(B, planes, H / stride, W / stride)``."""
        active = functional.relu(self.norm1(images))
        skip: Tensor = images if self.shortcut is None else self.shortcut(active)
        hidden: Tensor = self.conv1(active)
        hidden = self.conv2(functional.relu(self.norm2(hidden)))
        return skip + hidden


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

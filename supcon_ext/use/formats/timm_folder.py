"""Weights of a timm network, in the folder that timm loads: ``local-dir:FOLDER``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from data_tools.whole_file import write_whole
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.models.lora import merged
from supcon_ext.policies.base import SMALL_SIDE
from supcon_ext.use.formats.base import ExportFormat
from supcon_ext.use.ready_module import standardising

CONFIG = "config.json"


class TimmFolder(ExportFormat):
    """``model.safetensors`` and ``config.json``: ``timm.create_model("local-dir:FOLDER", True)``.

    Features alone: timm's own head is left out, as in training.
    """

    file = "model.safetensors"

    def check(self, model: SavedModel) -> None:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        spec = model.recipe.model.backbone
        if spec.kind != "timm" or model.recipe.model.norms_by_source:
            what = "norms of two sources" if spec.kind == "timm" else f"backbone {spec.kind}"
            raise ValueError(
                f"Expected a network of timm for format timm, but got {what}. "
                "Try: --format safetensors, torch_export or onnx"
            )

    def write(self, model: SavedModel, samples: Tensor, draft: Path) -> None:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        weights = {
            name: tensor.detach().clone(memory_format=torch.contiguous_format)
            for name, tensor in merged(model.network.backbone).trunk.state_dict().items()
        }
        write_whole(draft / self.file, safetensors.torch.save(weights, {"format": "pt"}))
        write_whole(draft / CONFIG, json.dumps(_config(model), indent=1) + "\n")

    def read(
        self, model: SavedModel, samples: Tensor, folder: Path
    ) -> tuple[Tensor, Tensor | None]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        import timm

        network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        scale, shift = standardising(model.preprocessing)
        with torch.no_grad():
            return network(samples * scale + shift), None

    def told(self, model: SavedModel) -> Mapping[str, Any]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        return {
            "input": "standardised by mean and std",
            "load": "timm.create_model('local-dir:...')",
        }


def _config(model: SavedModel) -> dict[str, Any]:
    """What timm reads of a network: its name, how it is made, how it wants its pictures."""
    spec, of = model.recipe.model.backbone, model.preprocessing
    name, _, tag = str(spec.params["name"]).partition(".")
    size = spec.params.get("image_size")
    arguments = {"in_chans": of.channels, **({} if size is None else {"img_size": size})}
    side = of.size or 0
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": model.network.backbone.dim,
        "model_args": arguments,
        "pretrained_cfg": {
            "tag": tag,
            "num_classes": 0,
            "input_size": [of.channels, side, side],
            "mean": list(of.mean),
            "std": list(of.std),
            "crop_pct": 1.0 if side <= SMALL_SIDE else 0.875,
            "crop_mode": "center",
        },
    }

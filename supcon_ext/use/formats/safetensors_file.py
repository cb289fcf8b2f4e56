"""Weights alone: safetensors, whose tensors this package's backbones and timm's can take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from data_tools.whole_file import write_whole
from supcon_ext.experiment.build import build_model
from supcon_ext.experiment.model_files import PredictingParts, SavedModel
from supcon_ext.models.lora import merged
from supcon_ext.use.formats.base import ExportFormat
from supcon_ext.use.ready_module import ReadyModule

PARTS = ("projector", "classifier")


class SafetensorsFile(ExportFormat):
    """``encoder.safetensors``: ``backbone.*``, ``projector.*``, ``classifier.*``, ``predictor.*``.

    Low-rank updates are merged into the weights that they belong to.
    """

    file = "encoder.safetensors"

    def write(self, model: SavedModel, samples: Tensor, draft: Path) -> None:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        network = model.network
        groups = {
            "backbone": merged(network.backbone).state_dict(),
            "projector": network.projector.state_dict(),
            "classifier": network.classifier.state_dict(),
            "predictor": model.parts.predictor.tensors(),
        }
        tensors = {
            f"{group}.{name}": tensor.detach().clone(memory_format=torch.contiguous_format)
            for group, named in groups.items()
            for name, tensor in named.items()
        }
        write_whole(draft / self.file, safetensors.torch.save(tensors))

    def read(
        self, model: SavedModel, samples: Tensor, folder: Path
    ) -> tuple[Tensor, Tensor | None]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        tensors = safetensors.torch.load_file(folder / self.file)

        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}."
            return {
                key.removeprefix(start): tensor
                for key, tensor in tensors.items()
                if key.startswith(start)
            }

        plain = model.recipe.model.model_copy(update={"lora": None})
        recipe = model.recipe.model_copy(update={"model": plain})
        spec = model.preprocessing.spec
        network = build_model(recipe, len(model.classes), spec, fresh=False).eval()
        for name in ("backbone", *PARTS):
            network.get_submodule(name).load_state_dict(part(name))
        fitted = type(model.parts.predictor).of(model.parts.predictor.settings(), part("predictor"))
        parts = PredictingParts(fitted, model.parts.reference)
        with torch.no_grad():
            features, probability = ReadyModule(replace(model, network=network, parts=parts))(
                samples
            )
        return features, probability

    def told(self, model: SavedModel) -> Mapping[str, Any]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        spec = model.recipe.model.backbone
        fitted = model.parts.predictor
        return {
            "backbone": spec.as_dict(),
            "predictor": {"kind": fitted.kind, **fitted.settings()},
            "input": "standardised by mean and std",
        }

"""A program of ``torch.export``, which torch alone loads and runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.tracking.encoder_file import write_program
from supcon_ext.use.formats.base import ExportFormat, takes
from supcon_ext.use.ready_module import ReadyModule


class TorchExport(ExportFormat):
    """``encoder.pt2``: ``torch.export.load(file).module()(samples)``, for any number of samples."""

    file = "encoder.pt2"

    def write(self, model: SavedModel, samples: Tensor, draft: Path) -> None:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        twice = torch.cat([samples, samples])  # one alone would be traced as a constant
        write_program(ReadyModule(model).eval(), twice[:2], draft / self.file)

    def read(
        self, model: SavedModel, samples: Tensor, folder: Path
    ) -> tuple[Tensor, Tensor | None]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        module = torch.export.load(str(folder / self.file)).module()
        with torch.no_grad():
            features, probability = module(samples)
        return features, probability

    def told(self, model: SavedModel) -> Mapping[str, Any]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        return {**takes(model), "torch": str(torch.__version__)}

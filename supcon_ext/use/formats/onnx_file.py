"""ONNX, for onnxruntime and whatever else reads it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_tools.optional_package import optional_package
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.use.formats.base import ExportFormat, takes
from supcon_ext.use.ready_module import ReadyModule

EXTRA = "supcon-ext[onnx]"
INSIDE_BYTES = 1.5e9
"""Bytes of weights up to which they are in the file; above, in one beside it, as ONNX has it."""


class OnnxFile(ExportFormat):
    """``encoder.onnx``: input ``samples``, outputs ``features`` and ``probabilities``."""

    file = "encoder.onnx"

    def check(self, model: SavedModel) -> None:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        for name in ("onnx", "onnxscript", "onnxruntime"):
            optional_package(name, "ONNX files", EXTRA, "--format torch_export")

    def write(self, model: SavedModel, samples: Tensor, draft: Path) -> None:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        module = ReadyModule(model).eval()
        size = sum(p.numel() * p.element_size() for p in module.parameters())
        with _quiet():
            torch.onnx.export(
                module,
                (torch.cat([samples, samples])[:2],),  # one alone would be traced as a constant
                str(draft / self.file),
                input_names=["samples"],
                output_names=["features", "probabilities"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                external_data=size > INSIDE_BYTES,
                verbose=False,
            )

    def read(
        self, model: SavedModel, samples: Tensor, folder: Path
    ) -> tuple[Tensor, Tensor | None]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        runtime = optional_package("onnxruntime", "ONNX files", EXTRA)
        session = runtime.InferenceSession(
            str(folder / self.file), providers=["CPUExecutionProvider"]
        )
        features, probability = session.run(None, {"samples": samples.numpy()})
        return torch.from_numpy(features), torch.from_numpy(probability)

    def told(self, model: SavedModel) -> Mapping[str, Any]:
        """See :class:`~supcon_ext.use.formats.base.ExportFormat`."""
        return takes(model)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells its developers."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)

"""An encoder written for other programs, and checked on real samples before it is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_tools.whole_file import whole_folder, write_whole
from supcon_ext.experiment.cannot_start import CannotStart, starting
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.use.formats.base import ExportFormat
from supcon_ext.use.formats.onnx_file import OnnxFile
from supcon_ext.use.formats.safetensors_file import SafetensorsFile
from supcon_ext.use.formats.timm_folder import TimmFolder
from supcon_ext.use.formats.torch_export import TorchExport
from supcon_ext.use.load import read_model_of
from supcon_ext.use.loaded import LoadedEncoder
from supcon_ext.use.ready_module import ready_samples
from supcon_ext.use.real_samples import real_samples

FORMATS: dict[str, ExportFormat] = {
    "safetensors": SafetensorsFile(),
    "torch_export": TorchExport(),
    "onnx": OnnxFile(),
    "timm": TimmFolder(),
}
TOLD = "encoder.json"
LARGEST = 1e-3
"""Difference that passes: of features by the largest of them, and of probabilities."""


@dataclass(frozen=True)
class ExportResult:
    """What was written, and how it compares.

    Attributes:
        folder: Where it is.
        files: Names of its files.
        samples: How many it was checked on.
        features: Largest difference of a feature, by the largest feature.
        probability: Largest difference of a probability; None where the format has features alone.
    """

    folder: Path
    files: tuple[str, ...]
    samples: int
    features: float
    probability: float | None


def export_encoder_of(
    run: str | Path,
    kind: str,
    out: str | Path,
    *,
    data: str | None = None,
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> ExportResult:
    """Write an encoder into a new folder, in a format that other programs load.

    Beside it, ``encoder.json`` says its classes, how it wants its samples, and how near it comes to
    the original on real samples. An encoder that comes not near enough is not there at all.

    Args:
        run: See :func:`~supcon_ext.use.load.load`.
        kind: ``safetensors``, ``torch_export``, ``onnx`` or ``timm``.
        out: The folder; it must be new, or empty.
        data: Samples to check on, see :func:`~supcon_ext.use.data.read_given`; None for the data
            that the run was trained on.
        overrides: ``KEY=VALUE`` beside a recipe.
        tell: Given a line on each thing worth knowing.

    Raises:
        ValueError: Something is wrong with the run or the data, the format cannot hold it, or what
            was written differs from the original.
        ModuleNotFoundError: The format needs a package that is not installed.
    """
    target = Path(out)
    with starting():
        if kind not in FORMATS:
            raise ValueError(f"Expected {', '.join(FORMATS)} of argument `kind`, but got {kind!r}.")
        _check_target(target)
        form = FORMATS[kind]
        model = read_model_of(run)
        form.check(model)
        samples = real_samples(model, data, overrides)
        tell(f"{model.name} as {kind}; checking it on {len(samples)} real samples")
        with whole_folder(target) as draft:
            made = _write_checked(form, model, samples, draft)
            files = tuple(sorted(path.name for path in draft.iterdir()))
    return ExportResult(target, files, len(samples), *made)


def _write_checked(
    form: ExportFormat, model: SavedModel, samples: list[Any], draft: Path
) -> tuple[float, float | None]:
    ready = ready_samples(samples, model.preprocessing)
    form.write(model, ready, draft)
    original = LoadedEncoder(model, device="cpu")
    outputs = original.outputs(_as_given(samples))
    probability = original.parts.predictor(outputs)
    features, found = form.read(model, ready, draft)
    by_features = _largest(features - outputs.features) / max(_largest(outputs.features), 1e-12)
    by_probability = None if found is None else _largest(found - probability)
    if not by_features <= LARGEST or not (by_probability or 0.0) <= LARGEST:
        raise CannotStart(
            f"Expected what {form.file} gives within {LARGEST:g} of the original on "
            f"{len(samples)} real samples, but features differ by {by_features:.2g}"
            + ("" if by_probability is None else f", probabilities by {by_probability:.2g}")
            + "; nothing was written. Try: another --format"
        )
    told = {
        "name": model.name,
        "file": form.file,
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.plain(),
        **form.told(model),
        "checked": {
            "samples": len(samples),
            "largest_difference": {"features": by_features, "probabilities": by_probability},
        },
    }
    write_whole(draft / TOLD, json.dumps(told, indent=1) + "\n")
    return by_features, by_probability


def _as_given(samples: list[Any]) -> Any:
    """As a loaded encoder takes them: pictures of any sizes in a list, vectors in one array."""
    return np.stack(samples) if samples[0].ndim < 3 else samples


def _largest(difference: Tensor) -> float:
    return float(torch.nan_to_num(difference.abs(), nan=torch.inf).max())


def _check_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise ValueError(f"Expected a folder within one that exists, but got {target}.")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ValueError(f"Expected a new folder, but {target} exists. Try: another name")

"""Models that were never trained, as files: all that a loaded encoder needs, in no time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from data_tools.input_spec import InputSpec
from data_tools.shot_groups import ShotGroups
from data_tools.whole_file import write_whole
from supcon_ext.evaluation.base import Embedded, EvaluationInput, evaluator
from supcon_ext.experiment.build import build_model
from supcon_ext.experiment.model_files import PredictingParts, write_model
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.vector_view import VectorContext
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.resolved import resolve, to_yaml
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.results import write_results
from supcon_ext.tracking.settings import TrackingSettings

CLASSES = ("ant", "bee", "cat")


def recipe(**model: Any) -> Recipe:
    """A recipe of a small network; it is not run."""
    made = {
        "name": "toy",
        "data": {"dataset": "digits"},
        "model": {"backbone": {"kind": "conv4", "width": 4}, "projector": {"dim": 4}, **model},
        "stages": [{"name": "one", "epochs": 1, "objective": ["contrastive"]}],
    }
    return parse_recipe(made)


def context(channels: int = 3, dtype: Any = "uint8", scale: float = 255.0) -> ViewContext:
    """Pictures of 16 pixels with a mean and a std of their own a channel."""
    mean = tuple(0.3 + 0.02 * number for number in range(channels))
    std = tuple(0.2 + 0.03 * number for number in range(channels))
    return ViewContext(16, channels, False, mean, std, dtype, scale)


def vectors(width: int = 6) -> VectorContext:
    """Vectors with statistics of their own."""
    spread = tuple(0.5 + 0.1 * number for number in range(width))
    return VectorContext(width, tuple(0.1 * number for number in range(width)), spread)


def write(
    folder: Path,
    of: ViewContext | VectorContext,
    by: str = "linear_probe",
    made: Recipe | None = None,
    classes: tuple[str, ...] = CLASSES,
) -> Path:
    """Write a model that predicts by something fitted on random features."""
    folder.mkdir(parents=True, exist_ok=True)
    if made is None:
        plain = {} if isinstance(of, ViewContext) else {"backbone": {"kind": "mlp", "dim": 16}}
        made = recipe(**plain)
    spec: InputSpec = of.spec
    network = build_model(made, len(classes), spec, fresh=False).eval()
    draw = torch.Generator().manual_seed(0)
    count = 12 * len(classes)
    with torch.no_grad():
        seen = network(torch.randn(count, *of.shape, generator=draw))
    label = torch.arange(count) % len(classes)
    train = Embedded(seen.features, seen.z, seen.logits, label, torch.arange(count))
    groups = ShotGroups(tuple(range(len(classes))), (), (), "all")
    data = EvaluationInput(train, None, None, classes, groups)
    if by != "classifier":
        part: Any = evaluator.make(by)
        data.fits[part] = part.fit(data)
    parts = PredictingParts.of(data, by == "classifier")
    write_model(folder, made, classes, label.bincount().tolist(), of, network, parts)
    return folder


def finished(
    folder: Path,
    of: ViewContext | VectorContext,
    dataset: Any = "digits",
    classes: tuple[str, ...] = CLASSES,
) -> Path:
    """The folder of a run that has such a model, and that nobody tracked."""
    values = resolve(recipe())
    if isinstance(of, VectorContext):
        values["model"]["backbone"] = {"kind": "mlp", "dim": 16}
    made = parse_recipe({**values, "data": {"dataset": dataset}})
    write(folder, of, made=made, classes=classes)
    write_whole(folder / "recipe.yaml", to_yaml(made))
    write_results(folder, {"steps": 1})
    MirrorState(folder.name, TrackingSettings(uri="none"), None).save(folder)
    return folder

"""What of a run is needed to use its encoder: two files, read without running anything in them.

``model.json`` holds how the network is made, the class names, how samples are made ready, how
classes are predicted, and how far each class's training samples lie from each other.
``model.safetensors`` holds all tensors: the network's, the predictor's, and the features of
training samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from data_tools.whole_file import write_whole
from supcon_ext.evaluation.base import EvaluationInput
from supcon_ext.evaluation.class_reference import ClassReference
from supcon_ext.evaluation.classifier import TrainedClassifier
from supcon_ext.evaluation.fitted import Fitted
from supcon_ext.evaluation.knn import KNN, FittedKNN
from supcon_ext.evaluation.linear_probe import FittedProbe
from supcon_ext.experiment.build import build_model
from supcon_ext.experiment.preprocessing import Preprocessing
from supcon_ext.models.network import Network
from supcon_ext.models.weights import file_digest
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.vector_view import VectorContext
from supcon_ext.recipe.load import parse_recipe
from supcon_ext.recipe.resolved import deciding, resolve
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking.record import read_record

MODEL = "model.json"
TENSORS = "model.safetensors"
FORMAT = 1
PREDICTORS: dict[str, type[Fitted]] = {
    fitted.kind: fitted for fitted in (TrainedClassifier, FittedProbe, FittedKNN)
}


@dataclass(frozen=True, eq=False)
class PredictingParts:
    """What predicts classes beside the network.

    Attributes:
        predictor: From embedded samples to probabilities.
        reference: Training samples that new ones are compared with.
    """

    predictor: Fitted
    reference: ClassReference

    @staticmethod
    def of(data: EvaluationInput, classifies: bool) -> PredictingParts:
        """Those that a run measured with.

        The trained classifier where there is one; else the first of the predictors that the run's
        evaluators fitted, and kNN where they fitted none.

        Args:
            data: What the evaluators were given, when they are done.
            classifies: Whether a classifier was trained.
        """
        predictor: Fitted | None = TrainedClassifier() if classifies else None
        for fit in data.fits.values():
            if predictor is None and type(fit) in PREDICTORS.values():
                predictor = fit
        reference = ClassReference.of(data.train, len(data.classes))
        return PredictingParts(predictor or KNN().fit(data), reference)


@dataclass(frozen=True, eq=False)
class SavedModel:
    """An encoder with all that it takes to use it.

    Attributes:
        name: Of the recipe.
        recipe: What it was trained by.
        classes: Names of its classes.
        preprocessing: How it wants its samples.
        network: On the CPU, in evaluation mode.
        parts: What predicts classes.
        statistics: Of each class's training samples: ``count``, and ``median`` and ``quantile_95``
            of their distance to their own class.
    """

    name: str
    recipe: Recipe
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    network: Network
    parts: PredictingParts
    statistics: Mapping[str, list[Any]]


def write_model(
    folder: Path,
    recipe: Recipe,
    classes: tuple[str, ...],
    counts: list[int],
    context: ViewContext | VectorContext,
    network: Network,
    parts: PredictingParts,
) -> list[Path]:
    """Write both files into a folder.

    Args:
        folder: The run's.
        recipe: What was run.
        classes: Names of the classes.
        counts: Training samples of each class, by given labels.
        context: What the run's samples are.
        network: As it was measured.
        parts: What it was measured with.

    Returns:
        The files.
    """
    groups = {
        "network": network.state_dict(),
        "predictor": parts.predictor.tensors(),
        "reference": {"vectors": parts.reference.vectors, "label": parts.reference.label},
    }
    tensors = {
        f"{group}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    write_whole(folder / TENSORS, safetensors.torch.save(tensors))
    predictor = {"kind": parts.predictor.kind, **parts.predictor.settings()}
    record = {
        "format": FORMAT,
        "name": recipe.name,
        "classes": list(classes),
        "preprocessing": Preprocessing.of(context).plain(),
        "predictor": predictor,
        "training": {"count": counts, **parts.reference.own_distances(len(classes))},
        "tensors": file_digest(folder / TENSORS),
        "recipe": {"name": recipe.name, **deciding(resolve(recipe))},
    }
    write_whole(folder / MODEL, json.dumps(record, indent=1) + "\n")
    return [folder / MODEL, folder / TENSORS]


def has_model(folder: Path) -> bool:
    """Whether a folder has the files."""
    return (folder / MODEL).is_file()


def read_model(folder: Path) -> SavedModel:
    """Read both files of a folder.

    Raises:
        ValueError: They are missing, damaged, do not belong together, or are of a later version.
    """
    path = folder / MODEL
    record = _read_record(path)
    try:
        settings = dict(record["predictor"])
        kind = PREDICTORS[settings.pop("kind")]
        preprocessing = Preprocessing.read(record["preprocessing"])
        classes = tuple(map(str, record["classes"]))
        statistics, digest = dict(record["training"]), str(record["tensors"])
        recipe_values = dict(record["recipe"])
        groups = _read_tensors(folder / TENSORS, digest, path)
        predictor = kind.of(settings, groups.get("predictor", {}))
        reference = ClassReference(**groups["reference"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"Expected what a run writes in {path}, but got {error!r}. Try: a run whose files are "
            "as it left them"
        ) from error
    recipe = parse_recipe(recipe_values)
    network = build_model(recipe, len(classes), preprocessing.spec, fresh=False)
    try:
        network.load_state_dict(groups["network"])
    except (KeyError, RuntimeError) as error:
        first = str(error).strip().split("\n")[-1].strip()
        raise ValueError(
            f"Expected weights of the network that {path} tells of, but {first} Try: the version "
            "of this package, and of its plug-ins, that made them"
        ) from error
    return SavedModel(
        name=str(record["name"]),
        recipe=recipe,
        classes=classes,
        preprocessing=preprocessing,
        network=network.eval(),
        parts=PredictingParts(predictor, reference),
        statistics=statistics,
    )


def _read_record(path: Path) -> dict[str, Any]:
    record = read_record(
        path,
        f"Expected a model in {path.parent}, but got a folder without {MODEL}: it was made by an "
        f"older version, or is no run's. Try: supcon run {path.parent / 'recipe.yaml'}",
    )
    if record.get("format") != FORMAT:
        raise ValueError(
            f"Expected a model of format {FORMAT} in {path}, but got {record.get('format')}. "
            "Try: the version of this package that wrote it"
        )
    return record


def _read_tensors(path: Path, digest: str, told_by: Path) -> dict[str, dict[str, Tensor]]:
    """Tensors by group and name."""
    if not path.is_file() or file_digest(path) != digest:
        what = "it is not the file that was written" if path.is_file() else "there is none"
        raise ValueError(
            f"Expected the tensors of {told_by} in {path}, but {what}. "
            f"Try: supcon resume {path.parent}"
        )
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        for name, tensor in safetensors.torch.load_file(path).items():
            group, _, rest = name.partition(".")
            groups.setdefault(group, {})[rest] = tensor
    except safetensors.SafetensorError as error:
        raise ValueError(f"Expected tensors in {path}, but got {error}.") from error
    return groups

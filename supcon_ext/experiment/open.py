"""A finished run opened again: its data, its network, what it believed in the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from data_tools.prepared import PreparedData
from data_tools.registry import family
from supcon_ext.experiment.build import (
    build_data,
    build_model,
    left_out_of,
    plain_view,
    sample_context,
)
from supcon_ext.experiment.folder import RECIPE, find_run
from supcon_ext.experiment.given import data_of_run
from supcon_ext.experiment.kept_statistics import kept_statistics
from supcon_ext.experiment.model_files import has_model, read_model
from supcon_ext.experiment.preprocessing import Preprocessing
from supcon_ext.experiment.standing import CHECKPOINTS
from supcon_ext.models.base import Backbone
from supcon_ext.models.network import Network
from supcon_ext.policies.base import View
from supcon_ext.recipe.load import load_recipe
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking.results import read_results
from supcon_ext.training.checkpoint import LAST, load_checkpoint


@dataclass(frozen=True)
class OpenedRun:
    """A run as it ended.

    Attributes:
        folder: The run's.
        recipe: What it ran.
        data: What it was trained and measured on, made again.
        network: Weights of the last epoch, without any average, in evaluation mode.
        view: The view that evaluation uses.
        device: Where the network is.
        classifies: Whether a classifier was trained.
        trust: ``(N_train,)`` float32 that the last selection gave the training images; None if no
            selector ever doubted one.
    """

    folder: Path
    recipe: Recipe
    data: PreparedData
    network: Network
    view: View
    device: torch.device
    classifies: bool
    trust: Tensor | None

    @property
    def search(self) -> Literal["exact", "faiss"]:
        """How the run searched neighbours."""
        return self.recipe.compute.neighbours


def open_run(run: str | Path, *, data: Any = None) -> OpenedRun:
    """Make a finished run's data and network again.

    Args:
        run: The run's folder or name.
        data: What it was given in Python, where it was.

    Raises:
        ValueError: There is no such run, it is not finished, or its data or labels have changed.
    """
    folder = find_run(run)
    read_results(folder)
    recipe = load_recipe(folder / RECIPE)
    checkpoint = load_checkpoint(folder / CHECKPOINTS / LAST)
    data = open_data(folder, recipe, checkpoint["labels_hash"], data=data)
    network = build_model(recipe, len(data.train.classes), data.train.spec, fresh=False)
    kept = kept_statistics(folder)
    context = sample_context(recipe.data, data.train, kept, network.own_input)
    network.load_state_dict(checkpoint["network"])
    device = Fabric(accelerator=recipe.compute.accelerator, devices=1).device
    return OpenedRun(
        folder=folder,
        recipe=recipe,
        data=data,
        network=network.to(device).eval(),
        view=plain_view(context),
        device=device,
        classifies=_classifies(recipe),
        trust=_trust(checkpoint["samples"]),
    )


def open_data(
    folder: Path, recipe: Recipe, fingerprint: str, *, data: Any = None, progress: Any = None
) -> PreparedData:
    """Make a run's data again.

    Args:
        folder: The run's.
        recipe: Its.
        fingerprint: Of the data that it was trained on.
        data: What it was given in Python, where it was.
        progress: Told how far the check of files is.

    Raises:
        ValueError: Images or labels have changed since, or cannot be used.
        OSError: They cannot be read.
    """
    given = data_of_run(recipe, data, folder)
    made = build_data(recipe.data, given=given, left_out=left_out_of(folder), progress=progress)
    if made.fingerprint != fingerprint:
        raise ValueError(
            f"Expected the data that {folder} was trained on, but its images or labels have "
            f"changed since. Try: supcon run {folder / RECIPE}, and then that run"
        )
    return made


@dataclass(frozen=True)
class OpenedEncoder:
    """The encoder of a finished run alone.

    Attributes:
        network: In evaluation mode, on the CPU.
        preprocessing: The pictures that it takes.
    """

    network: Backbone
    preprocessing: Preprocessing


def open_encoder(run: str | Path) -> OpenedEncoder:
    """Make the encoder of a finished run again, with the weights of its last epoch.

    Nothing is asked of the data that it was trained on, but for runs of older versions.

    Args:
        run: The run's folder or name.

    Raises:
        ValueError: There is no such run, it is not finished, or takes no pictures.
    """
    folder = find_run(run)
    read_results(folder)
    if has_model(folder):
        model = read_model(folder)
        network, wanted = model.network, model.preprocessing
    else:  # of before a run kept its model: its data are asked for
        opened = open_run(folder)
        network, own = opened.network, opened.network.own_input
        kept = kept_statistics(folder)
        context = sample_context(opened.recipe.data, opened.data.train, kept, own)
        wanted = Preprocessing.of(context)
    if wanted.kind != "image":
        raise ValueError(
            f"Expected a run that was trained on pictures, but {folder} was on vectors. "
            "Try: the encoder that made them."
        )
    return OpenedEncoder(network.backbone.cpu().eval(), wanted)


def _classifies(recipe: Recipe) -> bool:
    """Whether a term of any stage trains the classifier."""
    terms = family("term")
    targets: list[Any] = [
        terms.get(spec.kind).target for stage in recipe.stages for spec in stage.objective
    ]
    return any(target.trains_classifier for target in targets)


def _trust(samples: dict[str, Any]) -> Tensor | None:
    trust: Tensor = samples["trust"]
    return None if bool((trust == 1).all()) else trust

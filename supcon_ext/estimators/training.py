"""A recipe trained in this process on data at hand, without a folder unless one is given."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_tools.given_data import samples_of
from data_tools.input_spec import InputSpec
from supcon_ext.experiment import run
from supcon_ext.experiment.cannot_start import starting
from supcon_ext.experiment.given import with_data
from supcon_ext.experiment.launch import determinism, launch
from supcon_ext.experiment.open import open_run
from supcon_ext.experiment.preparation import prepare
from supcon_ext.feed.choice import feed_of
from supcon_ext.models.network import Network, Outputs
from supcon_ext.policies.base import View
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.progress.silence import Silence
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking import NullTracker
from supcon_ext.training.bank import BATCH, embed

READING = ("mode", "scale", "flips")
"""Settings of a data set of kind `from_python` that say how samples are read."""


@dataclass(frozen=True)
class Trained:
    """What training leaves; it can be pickled.

    Attributes:
        network: In evaluation mode, on the CPU.
        view: The view that evaluation uses.
        spec: What its samples are.
        reading: How samples are read.
        classifies: Whether its classifier was trained.
        label: ``(N,)`` int64 what was believed of the training samples in the end.
        trust: ``(N,)`` float32, how far.
    """

    network: Network
    view: View
    spec: InputSpec
    reading: dict[str, Any]
    classifies: bool
    label: Tensor
    trust: Tensor

    def outputs(self, x: Any) -> Outputs:
        """Features, projections and logits of samples, float32 on the CPU.

        Raises:
            ValueError: They are of another kind than those of the training.
        """
        samples = samples_of(x, **self.reading)
        spec = samples.spec
        if (spec.kind, spec.channels) != (self.spec.kind, self.spec.channels):
            raise ValueError(
                f"Expected {self.spec.kind}s of {self.spec.channels} channels, as in the training, "
                f"but got {spec.kind}s of {spec.channels}."
            )
        feed = feed_of(samples)

        def batches(places: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
            yield from feed.plain(samples, self.view, places, BATCH, None)

        return embed(self.network, len(samples), batches, torch.device("cpu"))


def train(
    recipe: Recipe, x: Any, label: np.ndarray[Any, Any], folder: str | Path | None, verbose: bool
) -> Trained:
    """Train; Python's, numpy's and torch's own generators are left as they were.

    Args:
        recipe: What to train.
        x: Samples.
        label: ``(N,)`` int64 in [0, C).
        folder: Of a whole run, which is measured and kept; None keeps nothing.
        verbose: Whether progress is shown.

    Raises:
        CannotStart: The recipe or the data cannot be used.
    """
    with _generators_kept():
        if folder is not None:
            return _kept(recipe, (x, label), Path(folder))
        with starting():
            recipe, given = with_data(recipe, (x, label))
        fabric = launch(recipe)
        with (
            ConsoleProgress() if verbose else Silence() as progress,
            determinism(recipe.compute.deterministic, recipe.seed, fabric.global_rank),
            tempfile.TemporaryDirectory() as place,
        ):
            made = prepare(recipe, fabric, progress, given=given)
            trainer = made.trainer
            trainer.record_to(Path(place), NullTracker())
            trainer.fit()
    now = trainer.beliefs.now
    return Trained(
        network=trainer.network.cpu().eval(),
        view=trainer.data.plain,
        spec=made.data.train.spec,
        reading=_reading(recipe),
        classifies=made.measurer.classifies,
        label=now.label.cpu(),
        trust=now.trust.cpu(),
    )


def _kept(recipe: Recipe, data: Any, folder: Path) -> Trained:
    run(recipe, data=data, folder=folder)
    opened = open_run(folder, data=data)
    label = torch.from_numpy(opened.data.train.label)
    return Trained(
        network=opened.network.cpu(),
        view=opened.view,
        spec=opened.data.train.spec,
        reading=_reading(opened.recipe),
        classifies=opened.classifies,
        label=label,
        trust=torch.ones(len(label)) if opened.trust is None else opened.trust,
    )


def _reading(recipe: Recipe) -> dict[str, Any]:
    return {name: recipe.data.dataset.params[name] for name in READING}


@contextmanager
def _generators_kept() -> Iterator[None]:
    python, numbers = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)

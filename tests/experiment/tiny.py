"""A recipe that trains in seconds, and a run of it that kills itself for good at a given moment."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch

from supcon_ext.losses import PairTile
from supcon_ext.selectors import PositiveSelector, SampleBank, Selection, selector


@selector("doubting")
class Doubting(PositiveSelector):
    """Believes the samples of small loss, and remembers how many they were."""

    requires = frozenset({"loss"})

    def __init__(self) -> None:
        self.kept: list[int] = []

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        """Trust grows as the loss falls."""
        loss = bank.loss
        if loss is None:
            raise ValueError("Expected losses")
        trust = torch.exp(-loss)
        self.kept.append(int((trust > 0.1).sum()))
        return Selection.of(bank.label, trust, {"kept": float(self.kept[-1])})

    def targets(self, pairs: PairTile) -> torch.Tensor:
        """Same label, weighed by trust; the other view always."""
        same = pairs.same("label") * pairs.anchors.trust[:, None] * pairs.contrasts.trust[None]
        return torch.maximum(same, pairs.same("index").float())

    def state_dict(self) -> dict[str, Any]:
        """What was kept."""
        return {"kept": list(self.kept)}

    def load_state_dict(self, state: Any) -> None:
        """What was kept."""
        self.kept = list(state["kept"])


def recipe(**changes: Any) -> dict[str, Any]:
    """Two stages that use most of what a checkpoint must hold."""
    return {
        "name": "tiny",
        "plugins": ["tests.experiment.tiny"],
        "data": {
            "dataset": {"kind": "digits", "size": 8},
            "imbalance": {"kind": "exponential", "factor": 10},
            "noise": {"kind": "symmetric", "rate": 0.3},
            "validation": 0.1,
        },
        "model": {
            "backbone": {"kind": "conv4", "width": 8},
            "projector": {"hidden": 16, "dim": 8},
            "ema": 0.9,
        },
        "stages": [
            {
                "name": "warmup",
                "epochs": 2,
                "batch_size": 96,
                "objective": [{"contrastive": {"selector": "instance", "queue": 500}}],
                "optimizer": {"kind": "sgd", "lr": 0.1},
            },
            {
                "name": "select",
                "epochs": 2,
                "batch_size": 128,
                "views": [
                    {"policy": "weak", "count": 1, "name": "classify"},
                    {"policy": "simaugment", "count": 2, "name": "contrast"},
                ],
                "objective": [
                    {"contrastive": {"selector": "doubting", "views": "contrast"}},
                    {"cross_entropy": {"mixup": 1.0, "views": "classify", "weight": 0.5}},
                ],
                "optimizer": {"kind": "adamw", "lr": 0.003},
                "schedule": {"kind": "cosine", "warmup_epochs": 1},
                "clip_norm": 1.0,
            },
        ],
        "evaluation": ["classifier", "linear_probe", "knn"],
        "tracking": {"uri": "none"},
        **changes,
    }


def kill_at(what: str, number: int) -> None:
    """Make this process kill itself at the ``number``-th occurrence of something."""
    from data_tools import whole_file
    from supcon_ext.training import loop
    from supcon_ext.training.beliefs import TrainingBeliefs

    count = 0

    def now() -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    if what == "step":
        step = loop.Trainer._step

        def stepping(self: Any, *args: Any) -> Any:
            made = step(self, *args)
            now()
            return made

        loop.Trainer._step = stepping  # type: ignore[method-assign]
    elif what == "save":
        replace = os.replace

        def replacing(source: Any, target: Any) -> None:
            if str(target).endswith("last.pt"):
                now()
            replace(source, target)

        whole_file.os.replace = replacing  # type: ignore[assignment]
    elif what == "refresh":
        believe = TrainingBeliefs.believe

        def believing(self: Any, selection: Any) -> None:
            believe(self, selection)
            now()

        TrainingBeliefs.believe = believing  # type: ignore[method-assign]
    elif what == "term":
        step = loop.Trainer._step

        def terminating(self: Any, *args: Any) -> Any:
            nonlocal count
            made = step(self, *args)
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGTERM)
            return made

        loop.Trainer._step = terminating  # type: ignore[method-assign]


def go(folder: Path, what: str = "", number: int = 0) -> int:
    """Run the recipe in a folder, or go on with what is there; the exit status."""
    from supcon_ext.experiment import resume, run
    from supcon_ext.interrupt import Interrupted
    from supcon_ext.recipe import parse_recipe

    if what:
        kill_at(what, number)
    try:
        if (folder / "recipe.yaml").is_file():
            resume(folder)
        else:
            run(parse_recipe(recipe()), folder=folder)
    except Interrupted as stop:
        print(stop)
        return 128 + stop.number
    return 0

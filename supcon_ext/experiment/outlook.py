"""What a run will cost, as far as recipe and data tell, and what would make it cost less."""

from __future__ import annotations

from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.plugin_sources import plugin_files
from supcon_ext.progress.outlook import Work
from supcon_ext.recipe.schema import Recipe

FORWARD = 1 / 3
"""Work of a picture that is only looked at, where one that is trained on is 1."""


def planned_work(recipe: Recipe, train: int, validation: int, test: int) -> list[Work]:
    """The parts of a run, by the pictures that they take.

    Args:
        recipe: What is run.
        train: Training samples.
        validation: Validation samples.
        test: Test samples.
    """
    parts = []
    every = recipe.validate_every
    for stage in recipe.stages:
        views = sum(group.count for group in stage.views)
        looked_at = validation / every if every else 0
        parts.append(Work(stage.name, stage.epochs * (train * views + FORWARD * looked_at)))
    networks = 2 if recipe.checkpoint.keep_best and every and validation else 1
    parts.append(Work("evaluation", networks * FORWARD * (train + validation + test)))
    return parts


def what_makes_it_shorter(recipe: Recipe) -> list[str]:
    """Keys that cost the most, as one would write them on the command line."""
    longest = max(recipe.stages, key=lambda stage: stage.epochs)
    keys = [f"stages.{longest.name}.epochs=..."]
    if recipe.data.image_size is not None:
        keys.append("data.image_size=...")
    return [*keys, "model.backbone=..."]


def further_lines(recipe: Recipe, processes: int) -> dict[str, str]:
    """What else the head of a run says, where there is anything to say.

    Args:
        recipe: What is run.
        processes: Training processes on this machine.
    """
    lines = {}
    files = plugin_files(recipe)
    if files:
        lines["plug-ins"] = ", ".join(map(str, files))
    wanted = recipe.compute.workers
    workers = workers_at_hand(wanted, processes)
    if workers < wanted:
        lines["workers"] = f"{workers}, not {wanted}: as many as there are CPU cores"
    return lines

"""What a run will cost, as far as recipe and data tell, and what would make it cost less."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.objectives.passes import times_passed
from supcon_ext.plugin_sources import plugin_files
from supcon_ext.progress.outlook import Work
from supcon_ext.recipe.schema import Recipe
from supcon_ext.training.bank import bank_passes

if TYPE_CHECKING:
    from supcon_ext.experiment.preparation import Prepared
    from supcon_ext.training.loop import Trainer
    from supcon_ext.training.stage import Stage

FORWARD = 1 / 3
"""Work of a picture that is only looked at, where one that is trained on is 1."""

ASKED = 9
"""Epochs of a stage whose rows are counted, where its epochs differ in length."""


def planned_work(made: Prepared) -> list[Work]:
    """The parts of a run, by the pictures that they take: of the size that evaluation sees.

    Args:
        made: The run, ready to start.
    """
    trainer, data = made.trainer, made.data
    counts = [0 if part is None else len(part) for part in (data.train, data.validation, data.test)]
    train, validation, _ = counts
    validated = validation + (train if made.measurer.validation_fits else 0)
    whole = math.prod(made.context.shape)
    plain = FORWARD * _size(trainer.data.plain, whole)
    work, done = [], 0
    for number, stage in enumerate(trainer.stages):
        last = number + 1 == len(trainer.stages)
        looks = len(trainer.data.train) * _bank_passes(stage)
        looks += validated * _validations(trainer, stage, done, last)
        step = _work_of_a_sample(trainer, stage, whole)
        trained = stage.epochs * mean_rows(trainer, number) * step
        work.append(Work(stage.name, trained + plain * looks))
        done += stage.epochs
    networks = 2 if trainer.settings.keep_best and _validates(trainer) else 1
    measured = plain * sum(counts)
    # a measure of another evaluator's predictions shares what that one fits
    for evaluator in {getattr(each, "of", each) for each in made.evaluators.values()}:
        looked_at, trained_on = getattr(evaluator, "encoder_passes", (0, 0))
        measured += train * (plain * looked_at + plain / FORWARD * trained_on)
        measured += plain * (counts[1] + counts[2]) if trained_on else 0  # by the copy's own eyes
    work.append(Work("evaluation", networks * measured))
    return work


def rows_of_epoch(trainer: Trainer, number: int, epoch: int) -> int:
    """Samples that an epoch of a stage visits, each as often as it does, by what is believed now.

    Args:
        trainer: Of the run.
        number: Of the stage.
        epoch: Of the stage, from 0.
    """
    stage = trainer.stages[number]
    try:
        with _unheard():
            plan = trainer.epoch_plan(number, epoch)
    except ValueError:  # which it may not be once the stage begins: told then
        return len(trainer.data.train)
    if stage.drop_last:
        return trainer.stage_feed(number).steps(plan) * stage.batch_size
    return len(trainer.data.train) if plan.order is None else len(plan.order)


def mean_rows(trainer: Trainer, number: int) -> float:
    """:func:`rows_of_epoch`, as it is on average over the stage."""
    last = trainer.stages[number].epochs - 1
    ends = [rows_of_epoch(trainer, number, epoch) for epoch in sorted({0, last})]
    if ends[0] == ends[-1]:
        return ends[0]
    asked = sorted({round(last * k / (ASKED - 1)) for k in range(ASKED)})
    return sum(rows_of_epoch(trainer, number, epoch) for epoch in asked) / len(asked)


def _work_of_a_sample(trainer: Trainer, stage: Stage, whole: int) -> float:
    """Work of all views of a sample in a step."""
    student, work = _trained(trainer.network.backbone), 0.0
    for group in stage.groups:
        times = times_passed(stage.objective.passes, group.name)
        passed = student * times["student"] + times["peer"] + FORWARD * times["twin"]
        work += group.count * _size(group.view, whole) * passed
    return work


def _trained(backbone: nn.Module) -> float:
    """Work of a picture of which the network learns; an encoder that is frozen only looks."""
    parameters = list(backbone.parameters())
    learns = not parameters or any(each.requires_grad for each in parameters)
    return 1.0 if learns else FORWARD


def _size(view: Any, whole: int) -> float:
    """Numbers in a view beside those of one of the run's size."""
    shape = getattr(view, "shape", None)
    return 1.0 if shape is None else math.prod(shape) / whole


def _bank_passes(stage: Stage) -> int:
    """Passes over the training set for the selections of a stage."""
    return sum(bank_passes(stage.objective.requires_at(epoch)) for epoch in range(stage.epochs))


def _validates(trainer: Trainer) -> bool:
    return trainer.validate is not None and trainer.settings.validate_every > 0


def _validations(trainer: Trainer, stage: Stage, done: int, last: bool) -> int:
    """How often a stage measures on validation."""
    if not _validates(trainer):
        return 0
    every, end = trainer.settings.validate_every, done + stage.epochs
    return end // every - done // every + (last and end % every > 0)


@contextmanager
def _unheard() -> Iterator[None]:
    """While samplers are asked how long an epoch is; in training they say the same again."""
    samplers = logging.getLogger("supcon_ext.samplers")
    level = samplers.level
    samplers.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        samplers.setLevel(level)


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

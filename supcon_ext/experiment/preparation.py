"""Everything that a recipe names, made and tried before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from data_tools.datasets.base import Splits
from data_tools.prepared import PreparedData
from data_tools.source_check import LeftOut
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.experiment.build import (
    LABELS,
    Synthetic,
    augmented_view,
    build_evaluators,
    build_groups,
    build_model,
    build_stage,
    plain_view,
    read_data,
    sample_context,
)
from supcon_ext.experiment.cannot_start import CannotStart, starting
from supcon_ext.experiment.fitting import expect_terms_fit
from supcon_ext.experiment.launch import from_first
from supcon_ext.experiment.measure import Measurer
from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.feed.choice import feed_of
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.sync_batch_norm import synchronised
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.statistics import ChannelStatistics
from supcon_ext.policies.vector_view import VectorContext
from supcon_ext.progress.file_progress import FileProgress
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.short_stages import short_stages
from supcon_ext.synthetic.filter_files import filter_pages, write_filter_files
from supcon_ext.synthetic.report import SyntheticReport
from supcon_ext.synthetic.report_page import REPORT, write_reports
from supcon_ext.tracking import NullTracker
from supcon_ext.training.declared_state import check_declared, declared_keys
from supcon_ext.training.loop import Trainer
from supcon_ext.training.stage import LoopSettings, Stage, TrainingData

MAKING = timedelta(days=7)
"""How long other processes wait for synthetic samples: a generator may be long about them."""


@dataclass(frozen=True)
class Prepared:
    """A run that can start.

    Attributes:
        data: What it is trained and measured on.
        context: What its samples are, and their statistics.
        trainer: Trains it.
        measurer: Measures it.
        evaluators: What measures, by name.
        synthetic: What was found in each source of synthetic samples.
    """

    data: PreparedData
    context: ViewContext | VectorContext
    trainer: Trainer
    measurer: Measurer
    evaluators: Mapping[str, Any]
    synthetic: tuple[SyntheticReport, ...] = ()

    def keep_data(self, folder: Path) -> None:
        """Write to a run's folder what it is trained on: labels, and the report on what is made."""
        self.data.export_labels(folder / LABELS)
        if self.synthetic:
            write_reports(folder / REPORT, self.synthetic)
            write_filter_files(self.synthetic, folder)

    def pages(self, folder: Path) -> dict[str, str]:
        """The pages on synthetic samples that a run's folder holds, a line of its head each."""
        lines = {"synthetic": str(folder / REPORT)} if self.synthetic else {}
        for place, page in filter_pages(self.synthetic, folder).items():
            sifted = self.synthetic[place].sifted
            if sifted is not None:
                lines[f"filters {place}"] = f"{sifted.report.told()}; {page}"
        return lines

    def describe(self, recipe: Recipe) -> dict[str, str]:
        """Data and model in a line each."""
        told, context = self.data.describe(), self.context
        samples = f"{context.spec.kind}s"
        parts = [f"{told['train']:,} training {samples} of {told['classes']} classes"]
        parts += [f"{told['validation']:,} validation, {told['test']:,} test"]
        if self.data.synthetic is not None:
            beside = self.data.synthetic.describe()
            parts.append(f"{beside['samples']:,} synthetic, of {beside['captions']:,} captions")
        parts += [context.told]
        if told["noise_rate"]:
            parts.append(f"{told['noise_rate']:.1%} of the labels wrong")
        if told["imbalance_factor"] and told["imbalance_factor"] > 1.5:
            parts.append(f"largest class {told['imbalance_factor']:.1f} times the smallest")
        parameters = list(self.trainer.network.parameters())
        size = sum(p.numel() for p in parameters)
        trained = sum(p.numel() for p in parameters if p.requires_grad)
        told_size = f"{size / 1e6:.2f} M parameters"
        if trained < size:
            told_size += f", {trained / 1e6:.2f} M trained"
        kind, device = recipe.model.backbone.kind, self.trainer.device
        return {
            "data": "; ".join(parts),
            "model": f"{kind}, {told_size}, {device}",
        }


def local_processes(recipe: Recipe, fabric: Fabric) -> int:
    """How many processes of the run share this machine."""
    return max(1, fabric.world_size // recipe.compute.nodes)


def prepare(
    recipe: Recipe,
    fabric: Fabric,
    progress: Any,
    left_out: LeftOut | None = None,
    statistics: ChannelStatistics | None = None,
    fresh: bool = True,
    given: Splits | None = None,
) -> Prepared:
    """Read the data, build the network and the stages, and see that they fit each other.

    Args:
        recipe: What to make.
        fabric: Launched.
        progress: Who watches.
        left_out: The images that a run that goes on has left out.
        statistics: Those with which it began; None measures them.
        fresh: Whether the encoder needs its first weights: no checkpoint's take their place.
        given: The data set where Python handed it over.

    Raises:
        CannotStart: Something is wrong with the recipe, the data or the environment.
    """
    with starting():
        for line in short_stages(recipe):
            progress.warn(line)
        made = _make(recipe, fabric, progress, left_out, statistics, fresh, given)
        made.trainer.check_stages()
        _check_evaluators(made)
        _try_network(made)
    return made


def _make(
    recipe: Recipe,
    fabric: Fabric,
    progress: Any,
    left_out: LeftOut | None,
    statistics: ChannelStatistics | None,
    fresh: bool,
    given: Splits | None,
) -> Prepared:
    with FileProgress() as files:
        first = fabric.global_rank == 0
        told = files if first else None
        read = read_data(
            recipe.data,
            given=given,
            left_out=left_out,
            progress=told,
            once=lambda make: _made_once(fabric, make),
        )
    data = read.made
    groups = build_groups(recipe.data, data)
    network = build_model(recipe, len(data.train.classes), data.train.spec, fresh=fresh)
    training_set = data.training
    context = sample_context(recipe.data, data.train, statistics, network.own_input, training_set)
    weights = network.backbone.first_weights
    if weights is not None and weights.fit:
        progress.note(f"{weights.source}: {weights.fit}")
    if recipe.compute.sync_batch_norm and fabric.world_size > 1:
        if recipe.model.norms_by_source:
            raise CannotStart(
                "Expected model.norms_by_source or compute.sync_batch_norm, but got both: a "
                "process may have no row of a source that the others wait for. "
                "Try: compute.sync_batch_norm=false"
            )
        network = synchronised(network, fabric.device.type)
    twin = (
        None
        if recipe.model.ema is None
        else EMATwin(network, recipe.model.ema, recipe.model.ema_end)
    )
    stages = [build_stage(section, context, recipe.seed) for section in recipe.stages]
    expect_terms_fit(stages, context.spec.kind)
    if isinstance(context, ViewContext):
        for line in left_out_of_views(stages, context):
            progress.warn(line)
    settings = LoopSettings(
        seed=recipe.seed,
        folder=Path(),
        checkpoint_every=recipe.checkpoint.every,
        keep_best=recipe.checkpoint.keep_best,
        validate_every=recipe.validate_every if data.validation is not None else 0,
        neighbours=recipe.compute.neighbours,
    )
    training = TrainingData(
        training_set,
        data.validation,
        plain_view(context),
        data.fingerprint,
        oracle_truth(stages, data),
    )
    workers = workers_at_hand(recipe.compute.workers, local_processes(recipe, fabric))
    feed = feed_of(
        training_set,
        workers=workers,
        rank=fabric.global_rank,
        world=fabric.world_size,
        pin_memory=fabric.device.type == "cuda",
    )
    trainer = Trainer(
        fabric, network, twin, stages, training, feed, settings, NullTracker(), progress
    )
    classifies = any(stage.objective.trains_classifier for stage in stages)
    measurer = Measurer(
        trainer, data, groups, classifies, augmented_view(context), recipe.seed, workers
    )
    trainer.validate = measurer.validate if settings.validate_every else None
    evaluators = build_evaluators(recipe.evaluation)
    return Prepared(data, context, trainer, measurer, evaluators, read.synthetic)


def _made_once(fabric: Fabric, make: Callable[[], Synthetic]) -> Synthetic:
    """The first process makes the samples for all; it alone has the reports, which it writes."""
    reports: list[SyntheticReport] = []

    def first() -> SyntheticSet:
        with starting():
            samples, told = make()
        reports.extend(told)
        return samples

    return from_first(fabric, first, patience=MAKING), tuple(reports)


def _check_evaluators(made: Prepared) -> None:
    """Those that select on the validation split find one."""
    for name, part in made.evaluators.items():
        if made.data.validation is None and getattr(part, "needs_validation", False):
            raise ValueError(
                f"Expected a validation split for evaluator `{name}`, which selects on it, but got "
                "none. Try: data.validation=0.1"
            )


@torch.no_grad()
def _try_network(made: Prepared) -> None:
    """Let the network see every size of sample that it is to get; it must stay what it is."""
    declared = declared_keys(made.trainer.network)
    for shape in view_shapes(made.trainer.stages, made.context):
        _try_shape(made, shape)
    check_declared(made.trainer.network, declared)


def view_shapes(
    stages: Sequence[Stage], context: ViewContext | VectorContext
) -> list[tuple[int, ...]]:
    """Shapes of the samples that evaluation and the stages' views give, each once."""
    views = [group.view for stage in stages for group in stage.groups]
    shapes = [getattr(view, "shape", context.shape) for view in views]
    return list(dict.fromkeys([context.shape, *shapes]))


def _try_shape(made: Prepared, shape: tuple[int, ...]) -> None:
    trainer, context = made.trainer, made.context
    try:
        trainer.network.eval()(torch.zeros((2, *shape), device=trainer.device))
    except (RuntimeError, AssertionError) as error:
        layers = [layer for layer in trainer.network.modules() if isinstance(layer, nn.Conv2d)]
        if layers and layers[0].in_channels != context.channels:
            raise CannotStart(
                f"Expected images of {layers[0].in_channels} channels, which the first layer of "
                f"the encoder takes, but got {context.channels}. Try: another model.backbone"
            ) from error
        size = "data.image_size" if shape == context.shape else "`size` of the views' policy"
        raise CannotStart(
            f"Expected a network that takes {context.spec.kind}s of shape {shape}, but a first "
            f"batch of them gives: {error}. Try: another {size}, or another model.backbone"
        ) from error
    finally:
        trainer.network.train()


def left_out_of_views(stages: Sequence[Stage], context: ViewContext) -> list[str]:
    """A line on the operations of policies that the images cannot have, if there are any."""
    found: dict[str, dict[str, None]] = {}
    for view in (group.view for stage in stages for group in stage.groups):
        for operation in getattr(view, "left_out", ()):
            found.setdefault(getattr(view, "part", "a policy"), {})[operation] = None
    told = "; ".join(f"{part}: {', '.join(names)}" for part, names in found.items())
    kind = f"{context.channels} channel{'s' * (context.channels > 1)} of {context.dtype}"
    return [f"left out, as images of {kind} cannot have it: {told}"] if found else []


def oracle_truth(stages: Sequence[Stage], data: PreparedData) -> torch.Tensor | None:
    """True labels, where a selector of the recipe is an oracle and says so; None for all others.

    Raises:
        ValueError: An oracle is named, but the true labels are not known.
    """
    if not any("truth" in stage.objective.requires for stage in stages):
        return None
    if data.truth is None:
        raise ValueError(
            "Expected true labels for the oracle, but the data set has none. Try: noise that is "
            "added to known labels, or another selector"
        )
    return torch.from_numpy(data.truth.train)

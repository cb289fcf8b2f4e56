"""One run from recipe to results: data, training, evaluation, files and tracking."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from safetensors.torch import save_file

from data_tools.bad_image import BadImageError
from data_tools.csv_cell import csv_cell
from data_tools.made import MadeData
from supcon_ext.evaluation import figures
from supcon_ext.evaluation.base import Report
from supcon_ext.experiment.build import (
    augmented_view,
    build_data,
    build_evaluators,
    build_groups,
    build_model,
    build_stage,
    left_out_of,
    plain_view,
    view_context,
)
from supcon_ext.experiment.folder import RECIPE, find_run, new_folder, write_traceback
from supcon_ext.experiment.kept_statistics import keep_statistics, kept_statistics
from supcon_ext.experiment.last_validations import last_validations
from supcon_ext.experiment.measure import Measurer
from supcon_ext.experiment.outlook import further_lines, planned_work, what_makes_it_shorter
from supcon_ext.experiment.processes import as_launched
from supcon_ext.experiment.selection_watch import SelectionWatch
from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.network import Network
from supcon_ext.models.sync_batch_norm import synchronised
from supcon_ext.recipe.load import load_recipe
from supcon_ext.recipe.resolved import leaves, recipe_hash, resolve, to_yaml
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking import AnyTracker, NullTracker, Tracker, TrackingSettings
from supcon_ext.tracking.console import ConsoleProgress
from supcon_ext.tracking.encoder_file import export_encoder
from supcon_ext.tracking.file_progress import FileProgress
from supcon_ext.tracking.results import read_metrics, read_results, write_results
from supcon_ext.tracking.run_info import run_info
from supcon_ext.training.checkpoint import load_checkpoint
from supcon_ext.training.interrupt import Interrupted
from supcon_ext.training.loop import LoopSettings, Stage, Trainer, TrainingData
from supcon_ext.training.silence import Silence
from supcon_ext.views.base import ViewContext

logger = logging.getLogger(__name__)

HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "accuracy_many",
    "accuracy_medium",
    "accuracy_few",
    "ece",
)


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: Where everything of it is.
        results: What ``results.json`` holds.
        tracking_uri: Where MLflow has it, or None.
        run_id: Its id there, or None while MLflow has not answered.
    """

    folder: Path
    results: Mapping[str, Any]
    tracking_uri: str | None
    run_id: str | None


def run(
    recipe: Recipe,
    *,
    folder: Path | None = None,
    tags: Mapping[str, str] | None = None,
    parent_run_id: str | None = None,
) -> RunResult:
    """Run a recipe to its results.

    Args:
        recipe: What to run.
        folder: Where to; None makes a new folder under the recipe's ``tracking.folder``.
        tags: Further tags of the MLflow run.
        parent_run_id: MLflow run that this one is a child of.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came; the run can be resumed.
    """
    recipe = as_launched(recipe)
    fabric = _launch(recipe)
    digest = recipe_hash(recipe)
    if folder is None:
        root = Path(recipe.tracking.folder)
        folder = _from_first(fabric, lambda: new_folder(root, recipe.name, digest, recipe.seed))
    if fabric.global_rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE).write_text(to_yaml(recipe))
    return _Run(recipe, folder, fabric, dict(tags or {}), parent_run_id).execute(resuming=False)


def resume(run_folder: str | Path) -> RunResult:
    """Go on with a run that stopped, to the same numbers; a finished run gives its results again.

    Args:
        run_folder: The run's folder or name.

    Raises:
        ValueError: There is no such run.
        Interrupted: Ctrl-C or SIGTERM came again.
    """
    folder = find_run(run_folder)
    recipe = as_launched(load_recipe(folder / RECIPE))
    return _Run(recipe, folder, _launch(recipe), {}, None).execute(resuming=True)


def dry_run(recipe: Recipe) -> dict[str, float]:
    """Make everything and one training step, and keep nothing; the numbers of the step.

    Args:
        recipe: What to try.
    """
    recipe = as_launched(recipe)
    fabric = _launch(recipe)
    trial = _Run(recipe, Path(recipe.tracking.folder), fabric, {}, None)
    first = fabric.global_rank == 0
    with (
        ConsoleProgress() if first else Silence() as progress,
        _determinism(recipe.compute.deterministic, recipe.seed, fabric.global_rank),
    ):
        return trial.prepare(NullTracker(), progress).trainer.probe()


def oracle_truth(stages: Sequence[Stage], data: MadeData) -> torch.Tensor | None:
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


def _launch(recipe: Recipe) -> Fabric:
    compute = recipe.compute
    strategy = compute.strategy
    many = compute.devices != 1 or compute.nodes > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if many and strategy in ("auto", "ddp"):
        strategy = "ddp_find_unused_parameters_true"  # a stage may leave a head out
    fabric = Fabric(
        accelerator=compute.accelerator,
        devices=compute.devices,
        num_nodes=compute.nodes,
        strategy=strategy,
        precision=cast(Any, compute.precision),
    )
    fabric.launch()
    return fabric


def _from_first(fabric: Fabric, make: Any) -> Path:
    """What the first process makes, in every process."""
    made: list[Any] = [make() if fabric.global_rank == 0 else None]
    if fabric.world_size > 1:
        dist.broadcast_object_list(made)
    return cast(Path, made[0])


@contextmanager
def _determinism(wanted: bool, seed: int, rank: int) -> Iterator[None]:
    """Seed the global generators, and ask for deterministic algorithms while a run lasts."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    mine = seed * 1_000_003 + rank
    torch.manual_seed(mine)
    np.random.seed(mine % 2**32)
    random.seed(mine)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@dataclass(frozen=True)
class _Prepared:
    data: MadeData
    context: ViewContext
    trainer: Trainer
    measurer: Measurer
    evaluators: Mapping[str, Any]


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        fabric: Fabric,
        tags: dict[str, str],
        parent_run_id: str | None,
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.fabric = fabric
        self.tags = tags
        self.parent_run_id = parent_run_id
        self.first = fabric.global_rank == 0
        self.processes = max(1, fabric.world_size // recipe.compute.nodes)

    def execute(self, resuming: bool) -> RunResult:
        checkpoint = self.folder / "checkpoints" / "last.pt"
        found = resuming and checkpoint.is_file()
        if resuming and (self.folder / "results.json").is_file():
            logger.info("%s is finished already", self.folder)
            return RunResult(self.folder, read_results(self.folder), None, None)
        offset = load_checkpoint(checkpoint)["offset"] if found else 0
        tracker = self._tracker(resuming, offset)
        status: Any = "FAILED"
        try:
            with (
                ConsoleProgress() if self.first else Silence() as progress,
                _determinism(
                    self.recipe.compute.deterministic, self.recipe.seed, self.fabric.global_rank
                ),
            ):
                results = self._work(tracker, progress, checkpoint if found else None)
            status = "FINISHED"
        except (Interrupted, KeyboardInterrupt) as error:
            status = "KILLED"
            raise Interrupted(
                f"{error or 'interrupted'}; to go on: supcon resume {self.folder}"
            ) from None
        except Exception as error:
            if isinstance(error, BadImageError):
                error.add_note(f"To go on once the file is mended: supcon resume {self.folder}")
            error.add_note(f"The traceback is in {write_traceback(self.folder)}")
            raise
        finally:
            tracker.close(status)
        return RunResult(self.folder, results, tracker.uri, tracker.run_id)

    def _tracker(self, resuming: bool, offset: int) -> AnyTracker:
        if not self.first:
            return NullTracker()
        if resuming and (self.folder / "journal.jsonl").is_file():
            return Tracker.resume(self.folder, offset)
        section, recipe = self.recipe.tracking, self.recipe
        settings = TrackingSettings(
            section.uri, section.experiment, section.on_unreachable, self.parent_run_id
        )
        tags = {"recipe": recipe.name, "recipe_hash": recipe_hash(recipe), "seed": str(recipe.seed)}
        return Tracker(self.folder, settings, run_name=self.folder.name, tags={**tags, **self.tags})

    def prepare(self, tracker: AnyTracker, progress: Any) -> _Prepared:
        """Make everything that the recipe names."""
        recipe = self.recipe
        with FileProgress() as files:
            data = build_data(
                recipe.data,
                left_out=left_out_of(self.folder),
                progress=files if self.first else None,
            )
        groups = build_groups(recipe.data, data)
        context = view_context(recipe.data, data.train, kept_statistics(self.folder))
        network = build_model(recipe, len(data.train.classes), context.channels)
        if recipe.compute.sync_batch_norm and self.fabric.world_size > 1:
            network = synchronised(network, self.fabric.device.type)
        twin = None if recipe.model.ema is None else EMATwin(network, recipe.model.ema)
        stages = [build_stage(section, context, recipe.seed) for section in recipe.stages]
        settings = LoopSettings(
            seed=recipe.seed,
            workers=workers_at_hand(recipe.compute.workers, self.processes),
            folder=self.folder / "checkpoints",
            checkpoint_every=recipe.checkpoint.every,
            keep_best=recipe.checkpoint.keep_best,
            validate_every=recipe.validate_every if data.validation is not None else 0,
            neighbours=recipe.compute.neighbours,
        )
        training = TrainingData(
            data.train,
            data.validation,
            plain_view(context),
            data.fingerprint,
            oracle_truth(stages, data),
        )
        trainer = Trainer(self.fabric, network, twin, stages, training, settings, tracker, progress)
        classifies = any(stage.objective.trains_classifier for stage in stages)
        measurer = Measurer(trainer, data, groups, classifies, augmented_view(context), recipe.seed)
        trainer.validate = measurer.validate if settings.validate_every else None
        self._announce(progress, tracker, data, network, context)
        return _Prepared(data, context, trainer, measurer, build_evaluators(recipe.evaluation))

    def _work(self, tracker: AnyTracker, progress: Any, checkpoint: Path | None) -> dict[str, Any]:
        made = self.prepare(tracker, progress)
        if checkpoint is None:
            self._record_start(tracker, made.data, made.context)
        watch = self._watch(made)
        if self.first:
            made.trainer.observe = watch
        made.trainer.fit(checkpoint)
        started = time.perf_counter()
        results, reports = self._measure(made)
        results["seconds"] = {
            "training": round(made.trainer.at.seconds, 2),
            "evaluation": round(time.perf_counter() - started, 2),
        }
        if self.first:
            selected = watch.results()
            if selected is not None:
                results["selection"] = selected
            self._record_end(tracker, results, reports, watch, made)
        self.fabric.barrier()
        return results

    def _watch(self, made: _Prepared) -> SelectionWatch:
        truth = made.data.truth
        return SelectionWatch(
            self.folder,
            made.data.train.label,
            None if truth is None else truth.train,
            made.data.train.classes,
            made.measurer.groups,
            self.recipe.seed,
            self.recipe.checkpoint.every,
        )

    def _announce(
        self,
        progress: Any,
        tracker: AnyTracker,
        data: MadeData,
        network: Network,
        context: ViewContext,
    ) -> None:
        told = data.describe()
        noise = told["noise_rate"]
        parts = [f"{told['train']:,} training images of {told['classes']} classes"]
        parts += [f"{told['validation']:,} validation, {told['test']:,} test"]
        parts += [f"{context.size} px, {context.channels} channel{'s' * (context.channels > 1)}"]
        if noise:
            parts.append(f"{noise:.1%} of the labels wrong")
        if told["imbalance_factor"] and told["imbalance_factor"] > 1.5:
            parts.append(f"largest class {told['imbalance_factor']:.1f} times the smallest")
        counts = [int(told[split] or 0) for split in ("train", "validation", "test")]
        progress.plan(planned_work(self.recipe, *counts), what_makes_it_shorter(self.recipe))
        size = sum(p.numel() for p in network.parameters())
        progress.start_run(
            f"{self.recipe.name} (seed {self.recipe.seed})",
            {
                "data": "; ".join(parts),
                "model": f"{self.recipe.model.backbone.kind}, {size / 1e6:.2f} M parameters, "
                f"{self.fabric.device}",
                "folder": str(self.folder),
                "tracking": tracker.uri or "journal only",
                **further_lines(self.recipe, self.processes),
            },
        )

    def _record_start(self, tracker: AnyTracker, data: MadeData, context: ViewContext) -> None:
        if not self.first:
            return
        keep_statistics(self.folder, context)
        tracker.params(leaves(resolve(self.recipe)))
        tracker.tags({f"env.{name}": str(value) for name, value in run_info().items()})
        tracker.artifact(self.folder / RECIPE)
        data.export_labels(self.folder / "labels.npz")
        tracker.artifact(self.folder / "labels.npz")
        told = data.describe()
        tags = {
            name: str(told[name])
            for name in ("noise_rate", "imbalance_factor", "shot_rule", "classes")
            if told[name] is not None
        }
        kind = self.recipe.data.dataset.kind
        for split in ("train", "validation", "test"):
            if told[split]:
                tracker.dataset(
                    kind, data.fingerprint, split, {**tags, "samples": str(told[split])}
                )

    def _measure(self, made: _Prepared) -> tuple[dict[str, Any], dict[str, Report]]:
        """Open the test set, once for the last epoch and once for the best on validation."""
        trainer, measurer, evaluators = made.trainer, made.measurer, made.evaluators
        groups = measurer.groups
        last = measurer.reports(trainer.network, evaluators, ("validation", "test"))
        results: dict[str, Any] = {
            "name": self.recipe.name,
            "seed": self.recipe.seed,
            "recipe_hash": recipe_hash(self.recipe),
            "fingerprint": measurer.data.fingerprint,
            "epochs": trainer.at.epochs_done,
            "steps": trainer.at.global_step,
            "headline": next(iter(evaluators), None),
            "shot_groups": {**groups.sizes(), "rule": groups.rule},
            "last": {split: _metrics(reports) for split, reports in last.items()},
        }
        best = self.folder / "checkpoints" / "best.pt"
        if best.is_file():
            saved = load_checkpoint(best)
            kept = {k: v.clone() for k, v in trainer.network.state_dict().items()}
            trainer.network.load_state_dict(saved["network"])
            found = measurer.reports(trainer.network, evaluators, ("validation", "test"))
            trainer.network.load_state_dict(kept)
            results["best"] = {split: _metrics(reports) for split, reports in found.items()}
            results["best_epoch"] = saved["epoch"]
        return results, last.get("test", {})

    def _record_end(
        self,
        tracker: AnyTracker,
        results: dict[str, Any],
        reports: Mapping[str, Report],
        watch: SelectionWatch,
        made: _Prepared,
    ) -> None:
        trainer, context = made.trainer, made.context
        step = trainer.at.global_step
        for chosen in ("last", "best"):
            for split, by_evaluator in results.get(chosen, {}).items():
                place = "test" if (chosen, split) == ("last", "test") else f"{chosen}/{split}"
                for name, metrics in by_evaluator.items():
                    tracker.metrics({f"{place}/{name}/{k}": v for k, v in metrics.items()}, step)
        for path in [*self._draw(reports), *watch.draw()]:
            tracker.artifact(path, "figures")
        for path in [*self._tables(reports), *watch.write_tables()]:
            tracker.artifact(path, "tables")
        network = trainer.network
        weights = {
            k: v.detach().cpu().contiguous() for k, v in network.backbone.state_dict().items()
        }
        save_file(weights, self.folder / "encoder.safetensors", {"recipe": self.recipe.name})
        tracker.artifact(self.folder / "encoder.safetensors")
        shape = (context.channels, context.size, context.size)
        exported = export_encoder(network.backbone, shape, self.folder / "encoder.pt2")
        tracker.model(exported, step=step)
        results["validation_last10"] = last_validations(read_metrics(self.folder))
        tracker.artifact(write_results(self.folder, results))

    def _draw(self, reports: Mapping[str, Report]) -> list[Path]:
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        drawn = []
        for name, report in reports.items():
            for figure, draw in report.figures.items():
                drawn.append(folder / f"{name}_{figure}.png")
                draw(drawn[-1])
        curves = read_metrics(self.folder)
        for group in ("train", "validation"):
            for number in ("loss", "accuracy"):
                series = {
                    key.removeprefix(f"{group}/"): ([s for s, _ in points], [v for _, v in points])
                    for key, points in curves.items()
                    if key.startswith(f"{group}/") and key.endswith(number) and len(points) > 1
                }
                if series:
                    drawn.append(folder / f"{group}_{number}.png")
                    figures.lines(drawn[-1], series, group, "step", number)
        return drawn

    def _tables(self, reports: Mapping[str, Report]) -> list[Path]:
        import pandas

        folder = self.folder / "tables"
        folder.mkdir(exist_ok=True)
        written = []
        for name, report in reports.items():
            for table, rows in report.tables.items():
                written.append(folder / f"{name}_{table}.csv")
                pandas.DataFrame(rows).map(csv_cell).to_csv(written[-1], index=False)
        return written


def _metrics(reports: Mapping[str, Report]) -> dict[str, dict[str, float]]:
    return {name: dict(report.metrics) for name, report in reports.items()}


def result_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of a run's table: each evaluator that predicts classes, last and best epoch.

    Where the run selected samples and the true labels are known, the last epoch's rows have the
    precision of the last selection too.
    """
    rows: list[dict[str, Any]] = []
    precision = results.get("selection", {}).get("precision")
    for chosen in ("last", "best"):
        for name, metrics in results.get(chosen, {}).get("test", {}).items():
            if "accuracy" not in metrics:
                continue
            epoch = results["epochs"] if chosen == "last" else results["best_epoch"]
            label = f"{chosen} (epoch {epoch})"
            rows.append(
                {"evaluator": name, "network": label, **{k: metrics.get(k) for k in HEADLINE}}
            )
            if precision is not None and chosen == "last":
                rows[-1]["selection_precision"] = precision
    return rows

"""The stage loop: stages in order, epochs in each, steps in each; saved, resumed, interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from lightning_fabric import Fabric
from torch import Tensor

from data_tools.samples import SampleSet
from supcon_ext.feed.base import Batch, Draw, EpochPlan, Feed, StageFeed
from supcon_ext.interrupt import stop_requests
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.network import Network, Outputs
from supcon_ext.policies.base import View
from supcon_ext.schedules.half_cosine import half_cosine
from supcon_ext.seeding import derived_seed, seeded_generator
from supcon_ext.training.averages import Averages
from supcon_ext.training.bank import BATCH, embed
from supcon_ext.training.beliefs import TrainingBeliefs
from supcon_ext.training.checkpoint import BEST, save_checkpoint, save_generation
from supcon_ext.training.columns import check_columns
from supcon_ext.training.declared_state import check_declared
from supcon_ext.training.health import check_batch_sizes, check_finite, warn_about
from supcon_ext.training.observers import Observe, Progress, Recorder, Validate
from supcon_ext.training.one_network import agree
from supcon_ext.training.position import Position
from supcon_ext.training.refresh import refresh
from supcon_ext.training.running import Running, start
from supcon_ext.training.stage import LoopSettings, Stage, TrainingData
from supcon_ext.training.state import gather_state, restore_random, restore_state
from supcon_ext.training.stopping import Stopping

LOG_EVERY = 20
CHECKPOINT = "checkpoint"  # the tag that says which one was written last


class Trainer:
    """Runs the stages.

    Args:
        fabric: Launched; decides devices, processes and precision.
        network: On the CPU; trained in place.
        twin: Its EMA twin, or None.
        stages: In order.
        data: What training may see.
        feed: Makes its batches.
        settings: How the loop runs.
        recorder: Where numbers go.
        progress: Who watches.

    Attributes:
        validate: Makes the validation numbers, or None.
        observe: Sees each selection, and gives numbers to record; none of them comes back into
            training. None for nobody.
        beside: What a checkpoint holds beside the training's own state.
        best: The network that was best on validation and its epoch, or None.
        at: How far the run is.
        beliefs: Labels, trust and roles of the moment.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: Network,
        twin: EMATwin | None,
        stages: Sequence[Stage],
        data: TrainingData,
        feed: Feed,
        settings: LoopSettings,
        recorder: Recorder,
        progress: Progress,
    ) -> None:
        self.fabric = fabric
        self.device = fabric.device
        self.network = network.to(self.device)
        self.twin = None if twin is None else twin.to(self.device)
        self.stages = stages
        self.data = data
        self.feed = feed
        self.settings = settings
        self.recorder = recorder
        self.progress = progress
        self.validate: Validate | None = None
        self.observe: Observe | None = None
        self.beside: Callable[[], Mapping[str, Any]] = dict
        self.best: dict[str, Any] | None = None
        self.peer: dict[str, Any] | None = None
        self.at = Position()
        self.averages = Averages()
        self.beliefs = TrainingBeliefs(data.train, self.device, progress.warn)
        self.generator = seeded_generator(settings.seed, fabric.global_rank, 0x5EED)
        self.stopping = Stopping(self.save, lambda: self.at.global_step, self.device)
        self._running: Running | None = None
        check_batch_sizes(network, stages, fabric.world_size)

    # -- before and beside ----------------------------------------------------------------------

    def embed(
        self,
        samples: SampleSet,
        network: Network | None = None,
        view: View | None = None,
        key: Draw | None = None,
    ) -> Outputs:
        """Outputs of every sample of a split, float32 on the CPU.

        Args:
            samples: The split.
            network: None for the one that is trained.
            view: None for the plain one.
            key: Of each view by the sample's place; None for views that draw nothing.
        """

        def batches(places: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
            plain = self.data.plain if view is None else view
            for x, place in self.feed.plain(samples, plain, places, BATCH, key):
                yield x, self.beliefs.gone.places(place, samples)[0]

        return embed(network or self.network, len(samples), batches, self.device)

    def check_stages(self) -> None:
        """See that every stage has a batch, columns that it names, and views that can be drawn.

        Raises:
            ValueError: A stage has none, its views differ in size, a selector names a column that
                the data set has not, or a term cannot be trained on it.
        """
        for number, stage in enumerate(self.stages):
            self.stage_feed(number).check()
            check_columns(stage, self.beliefs.now.columns)
            for _, part in stage.objective:
                part.check(self.data.train)

    def record_to(self, folder: Path, recorder: Recorder) -> None:
        """Choose where checkpoints and numbers go."""
        self.settings = replace(self.settings, folder=folder)
        self.recorder = recorder

    @property
    def running(self) -> Running:
        """The stage that runs now."""
        return cast(Running, self._running)

    # -- the loop -------------------------------------------------------------------------------

    def fit(self, saved: dict[str, Any] | None = None) -> None:
        """Train to the end.

        Args:
            saved: A checkpoint of the same recipe to go on from.

        Raises:
            Interrupted: SIGINT, SIGTERM or SIGHUP came; a checkpoint was written first.
            FloatingPointError: The loss is not finite.
            ValueError: The checkpoint does not belong to this run.
        """
        if saved is not None:
            saved = restore_state(self, saved)
        with stop_requests() as request, request.held():
            self.stopping.request = request
            while self.at.stage < len(self.stages):
                self._start_stage(saved)
                saved = None
                self._run_stage()
                self.peer = self.running.peer_state()
                self.at.next_stage()
        self._running = None

    def probe(self) -> dict[str, float]:
        """Make one step of the first stage and nothing more: its numbers. The trainer is spent."""
        self._start_stage(None)
        running = self.running
        self._refresh()
        running.plan = self.epoch_plan(0, 0)
        _, stats = self._step(self.stages[0], running, next(iter(running.feed.epoch(running.plan))))
        return {name: float(value) for name, value in stats.items()}

    def _start_stage(self, saved: dict[str, Any] | None) -> None:
        self._running = running = start(self, saved)
        if saved is not None:
            restore_random(self, saved)  # last of all: setting up may draw
        stage, done = self.stages[self.at.stage], self.at.epoch - self.at.unvalidated
        if self.at.epoch < stage.epochs:
            running.plan = self.epoch_plan(self.at.stage, self.at.epoch, self.at.step)
        steps = running.steps
        self.progress.start_stage(stage.name, stage.epochs, steps, done, self.at.step)

    def stage_feed(self, number: int) -> StageFeed:
        """The batches of a stage, by its number."""
        stage = self.stages[number]
        return self.feed.stage(
            stage.groups,
            stage.batch_size,
            views_seed=derived_seed(self.settings.seed, number, "views"),
            order_seed=derived_seed(self.settings.seed, number, "order"),
            drop_last=stage.drop_last,
        )

    def epoch_plan(self, number: int, epoch: int, start_step: int = 0) -> EpochPlan:
        """An epoch of a stage, by the stage's number and what is believed now."""
        seed = derived_seed(self.settings.seed, number, "sampler")
        order = self.beliefs.order(self.stages[number], epoch, seed)
        return EpochPlan(epoch, start_step, order)

    def _run_stage(self) -> None:
        stage = self.stages[self.at.stage]
        while self.at.unvalidated or self.at.epoch < stage.epochs:
            if not self.at.unvalidated:
                self._run_epoch(stage)
                self.at.next_epoch()
            shown = {"loss": self.averages.means()["loss"]}
            last = self.at.epoch == stage.epochs
            final = last and self.at.stage + 1 == len(self.stages)
            every = self.settings.validate_every
            if self.validate is not None and every and (self.at.epochs_done % every == 0 or final):
                self.at.unvalidated = True
                with self.stopping.saved_if_bad():
                    shown |= self._validate(self.validate)
            self.at.unvalidated = False
            self.progress.epoch_end(shown)
            if self.at.epochs_done % self.settings.checkpoint_every == 0 or last:
                self.save()
            self.stopping.here()

    def _run_epoch(self, stage: Stage) -> None:
        running = self.running
        started = time.perf_counter()
        if self.at.step == 0:
            self.averages.reset()
            with self.stopping.saved_if_bad():
                self._refresh()
            self.beliefs.gone.drop(self.beliefs.now)
        running.plan = self.epoch_plan(self.at.stage, self.at.epoch, self.at.step)
        running.module.train()
        steps = running.steps
        for batch in self._batches(running, steps):
            loss, stats = self._step(stage, running, batch)
            self.averages.add(stats)
            self.at.step += 1
            self.at.global_step += 1
            if self.device.type == "cpu" or self.at.step % LOG_EVERY == 0:
                self._check_finite(loss)
            self.progress.step(loss)
            if self.at.step < steps:
                self.stopping.here()
        self._check_finite(loss)
        self._record_epoch(running, time.perf_counter() - started)

    def _record_epoch(self, running: Running, seconds: float) -> None:
        means = {f"train/{name}": value for name, value in self.averages.means().items()}
        means["train/lr"] = running.optimizer.param_groups[0]["lr"]
        means["epoch"] = float(self.at.epochs_done + 1)
        if self.beliefs.gone.count:
            means["data/gone"] = float(self.beliefs.gone.count)
        warn_about(means, self.at.epoch, self.at.epochs_done > 0, self.progress.warn)
        self.at.seconds += seconds
        self.recorder.metrics(means, self.at.global_step)
        self.recorder.metrics({"time/epoch_seconds": seconds}, self.at.global_step)

    def _batches(self, running: Running, steps: int) -> Iterator[Batch]:
        """The batches of an epoch, or of what is left of it."""
        batches = iter(running.feed.epoch(running.plan))
        while True:
            # at its first step an epoch has been prepared, and would be again: nothing to save
            within = 0 < self.at.step < steps
            with (
                self.stopping.saved_if_bad() if self.at.step else nullcontext(),
                self.stopping.anywhere() if within else nullcontext(),
            ):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _step(
        self, stage: Stage, running: Running, batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        position = self.at.epoch + self.at.step / running.steps
        factor = stage.factor(position, float(stage.epochs))
        for group in running.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
            end, start = stage.weight_decay_end, group.get("initial_weight_decay")
            if end is not None and start:
                group["weight_decay"] = half_cosine(start, end, position / stage.epochs)
        groups, beliefs = self.beliefs.of_batch(batch)
        loss, stats = running.module(
            groups,
            beliefs,
            self.twin,
            self.at.epoch,
            self.at.step,
            position / stage.epochs,
            self.generator,
        )
        self.fabric.backward(loss)
        if stage.clip_norm is not None:
            norm = self.fabric.clip_gradients(
                running.module,
                running.optimizer,
                max_norm=stage.clip_norm,
                error_if_nonfinite=False,
            )
            stats["gradient_norm"] = cast(Tensor, norm).detach()
        running.optimizer.step()
        running.optimizer.zero_grad(set_to_none=True)
        if running.declared is not None:
            check_declared(running.step, running.declared)
            running.declared = None
        if self.twin is not None:
            agree(self.network)
            done = self.at.epochs_done + self.at.step / running.steps
            self.twin.update(self.network, done / sum(each.epochs for each in self.stages))
        return loss.detach(), {"loss": loss.detach(), **stats}

    def _refresh(self) -> None:
        found = refresh(self)
        if found:
            self.recorder.metrics(found, self.at.global_step)

    def _check_finite(self, loss: Tensor) -> None:
        stage = self.stages[self.at.stage].name
        check_finite(loss, stage, self.at.epoch, self.at.global_step)

    def _validate(self, validate: Validate) -> dict[str, float]:
        with self.stopping.anywhere():
            values = validate(self.network)
        score = values.pop("score")
        named = {f"validation/{name}": value for name, value in values.items()}
        self.recorder.metrics(named, self.at.global_step)
        if score > self.at.best:
            self.at.best, self.at.best_epoch = score, self.at.epochs_done
            if self.settings.keep_best:
                network = {k: v.cpu().clone() for k, v in self.network.state_dict().items()}
                self.best = {"network": network, "epoch": self.at.epochs_done}
                if self.fabric.global_rank == 0:
                    save_checkpoint(self.settings.folder / BEST, self.best)
        return named

    def save(self) -> None:
        """Write the checkpoint from which a resumed run ends with the same numbers."""
        agree(self.network, self.twin, self.running.objective)
        state = gather_state(self)
        if self.fabric.global_rank == 0:
            save_generation(self.settings.folder, {**state, **self.beside()})
            at = self.at
            self.recorder.tags({CHECKPOINT: f"epoch {at.epochs_done}, step {at.global_step}"})

"""The stage loop: stages in order, epochs in each, steps in each; saved, resumed, interrupted."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol, SupportsFloat, cast

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from data_tools.bad_image import BadImageError
from data_tools.samples import IntArray, SampleSet
from supcon_ext.feed.dataset import PlainDataset, ViewDataset
from supcon_ext.feed.loader import EpochBatches, evaluation_loader, training_loader
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.network import Network, Outputs
from supcon_ext.models.seeding import seeded_weights
from supcon_ext.objectives.base import Beliefs, Objective, TrainingFacts
from supcon_ext.policies.base import View
from supcon_ext.samplers.base import Sampler, SamplerInput, asked_order
from supcon_ext.samplers.shuffled import Shuffled
from supcon_ext.selectors.base import PositiveSelector, Role, SampleBank, Selection
from supcon_ext.training.averages import Averages
from supcon_ext.training.bank import BATCH, embed, make_bank
from supcon_ext.training.checkpoint import BEST, save_checkpoint, save_generation
from supcon_ext.training.declared_state import check_declared, declared_keys
from supcon_ext.training.gone import GoneImages
from supcon_ext.training.interrupt import Interrupted, StopRequest, stop_requests
from supcon_ext.training.one_network import agree
from supcon_ext.training.random_state import seeded_generator
from supcon_ext.training.state import gather_state, restore_random, restore_state
from supcon_ext.training.step import TrainingStep

logger = logging.getLogger(__name__)

LOG_EVERY = 20
CHECKPOINT = "checkpoint"  # the tag that says which one was written last
EQUAL_ROWS = -0.1  # uniformity above this: embeddings are nearly equal


@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of training, made into objects.

    Attributes:
        name: Of the stage, unique in the run.
        epochs: How many.
        batch_size: Samples in a batch over all processes.
        views: One view function for each view of a sample.
        view_names: Name of the group each view belongs to.
        objective: What is minimised.
        optimizer: Makes the optimiser of a module's parameters.
        factor: Learning-rate factor at an epoch position, of so many epochs.
        clip_norm: Largest gradient norm, or None.
        drop_last: Leave out the last, smaller batch of an epoch.
        sampler: Which samples an epoch visits.
        reset: Heads (``projector``, ``classifier``) that start the stage with new weights.
    """

    name: str
    epochs: int
    batch_size: int
    views: Sequence[View]
    view_names: tuple[str, ...]
    objective: Objective
    optimizer: Callable[[nn.Module], Optimizer]
    factor: Callable[[float, float], float]
    clip_norm: float | None
    drop_last: bool
    sampler: Sampler = field(default_factory=Shuffled)
    reset: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What training may see: given labels, and true ones only where the oracle asks for them.

    Attributes:
        train: With given labels.
        validation: With given labels, or None.
        plain: The view that evaluation uses.
        labels_hash: Hash of the given labels; a checkpoint of other labels is refused.
        truth: ``(N,)`` int64 true labels; None unless a selector of the recipe requires ``truth``.
    """

    train: SampleSet
    validation: SampleSet | None
    plain: View
    labels_hash: str
    truth: Tensor | None = None


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How the loop runs.

    Attributes:
        seed: Of every draw.
        workers: Processes that make views.
        folder: Where checkpoints go.
        checkpoint_every: Epochs between checkpoints.
        keep_best: Keep the network that was best on validation.
        validate_every: Epochs between validations; 0 for none.
        neighbours: How the nearest neighbours of the bank are searched.
    """

    seed: int
    workers: int
    folder: Path
    checkpoint_every: int = 1
    keep_best: bool = True
    validate_every: int = 1
    neighbours: Literal["exact", "faiss"] = "exact"


class Recorder(Protocol):
    """Where the loop's numbers go."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record numbers at a step."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Record labels of the run."""


class Progress(Protocol):
    """Who watches the loop."""

    def start_stage(
        self,
        name: str,
        epochs: int,
        steps_per_epoch: int,
        done_epochs: int = 0,
        done_steps: int = 0,
    ) -> None:
        """A stage starts, or goes on."""

    def step(self, loss: SupportsFloat | None = None) -> None:
        """A step was made."""

    def epoch_end(self, metrics: Mapping[str, float]) -> None:
        """An epoch ended."""

    def warn(self, message: str) -> None:
        """Something the user should know."""


Validate = Callable[["Trainer"], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One selection, as an observer sees it.

    Attributes:
        selection: What was selected.
        bank: What it was made from.
        selector: Who made it; its pair rule is that of the coming epoch. None if no term says.
        stage: Name of the stage.
        epoch: Epochs of the run that are done.
        predicted: ``(N,)`` int64 classes that the classifier predicts; None where the stage does
            not train it, or the selection took no pass over the training set.
    """

    selection: Selection
    bank: SampleBank
    selector: PositiveSelector | None
    stage: str
    epoch: int
    predicted: Tensor | None = None


Observe = Callable[[Refreshed], Mapping[str, float]]


@dataclass(slots=True)
class Position:
    """How far a run is.

    Attributes:
        stage: Its number.
        epoch: Epochs of the stage that are done.
        step: Steps of the epoch that are done.
        global_step: Steps of the run that are done.
        epochs_done: Epochs of the run that are done.
        best: Score of the best epoch.
        best_epoch: Which that was.
        seconds: Spent in training.
        unvalidated: The epoch is over, but not its validation.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    global_step: int = 0
    epochs_done: int = 0
    best: float = -math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    unvalidated: bool = False


@dataclass(slots=True)
class _Running:
    """The objects of the stage that runs now."""

    module: nn.Module
    step: TrainingStep
    optimizer: Any
    objective: Objective
    batches: EpochBatches
    loader: DataLoader[Any]
    dataset: ViewDataset = field(repr=False)
    declared: frozenset[str] | None = field(repr=False)


class Trainer:
    """Runs the stages.

    Args:
        fabric: Launched; decides devices, processes and precision.
        network: On the CPU; trained in place.
        twin: Its EMA twin, or None.
        stages: In order.
        data: What training may see.
        settings: How the loop runs.
        recorder: Where numbers go.
        progress: Who watches.
        validate: Makes the validation numbers; ``score`` among them decides which network is best.
        observe: Sees each selection, and gives numbers to record; none of them comes back into
            training.

    Attributes:
        beside: What a checkpoint holds beside the training's own state.
        best: The network that was best on validation and its epoch, or None.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: Network,
        twin: EMATwin | None,
        stages: Sequence[Stage],
        data: TrainingData,
        settings: LoopSettings,
        recorder: Recorder,
        progress: Progress,
        validate: Validate | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.observe = observe
        self.fabric = fabric
        self.device = fabric.device
        self.network = network.to(self.device)
        self.twin = None if twin is None else twin.to(self.device)
        self.stages = stages
        self.data = data
        self.settings = settings
        self.recorder = recorder
        self.progress = progress
        self.validate = validate
        self.at = Position()
        self.averages = Averages()
        given = torch.from_numpy(data.train.label)
        self.given = given
        self.samples = Beliefs(
            label=given.to(self.device),
            trust=torch.ones(len(given), device=self.device),
            role=torch.zeros(len(given), dtype=torch.int8, device=self.device),
            columns={
                name: torch.from_numpy(column).to(self.device)
                for name, column in data.train.columns.items()
                if column.dtype.kind in "iufb"
            },
        )
        self.gone = GoneImages(data.train, progress.warn)
        self.generator = seeded_generator(settings.seed, fabric.global_rank, 0x5EED)
        self.beside: Callable[[], Mapping[str, Any]] = dict
        self.best: dict[str, Any] | None = None
        self.peer: dict[str, Any] | None = None
        self._running: _Running | None = None
        self._stop = StopRequest()
        self._check_rows()

    # -- what a pass over a split gives ---------------------------------------------------------

    def embed(self, images: SampleSet, network: Network | None = None) -> Outputs:
        """Outputs of every image of a split under the plain view, float32 on the CPU."""
        return self.embed_view(PlainDataset(images, self.data.plain), images, network)

    def embed_view(
        self, dataset: Any, images: SampleSet, network: Network | None = None
    ) -> Outputs:
        """Outputs of every image of a split, in a view of it that is addressed by position."""

        def loader_of(positions: Tensor) -> Iterator[Any]:
            part: Any = torch.utils.data.Subset(dataset, positions.tolist())
            for views, index in evaluation_loader(part, BATCH, self.settings.workers):
                yield views, self.gone.places(index, images)[0]

        return embed(network or self.network, len(images), loader_of, self.device)

    def check_stages(self) -> None:
        """See that every stage has a batch, and that the views of its first sample can be drawn.

        Raises:
            ValueError: A stage has none, its views differ in size, or batch normalisation would
                get one row.
        """
        self._check_rows()
        for number, stage in enumerate(self.stages):
            dataset, _ = self._fed(number)
            try:
                dataset[0, 0]
            except RuntimeError as error:
                raise ValueError(
                    f"Expected views of one size in stage {stage.name}, but {error}"
                ) from error

    def record_to(self, folder: Path, recorder: Recorder) -> None:
        """Choose where checkpoints and numbers go."""
        self.settings = replace(self.settings, folder=folder)
        self.recorder = recorder

    # -- the loop ------------------------------------------------------------------------------

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
        with stop_requests() as stop, stop.held():
            self._stop = stop
            while self.at.stage < len(self.stages):
                self._start_stage(saved)
                saved = None
                self._run_stage()
                self.peer = self.peer_state()
                self.at.stage += 1
                self.at.epoch = self.at.step = 0
        self._running = None

    @property
    def running(self) -> _Running:
        """The stage that runs now."""
        return cast(_Running, self._running)

    def probe(self) -> dict[str, float]:
        """Make one step of the first stage and nothing more: its numbers. The trainer is spent."""
        self._start_stage(None)
        running = self.running
        self._refresh(running)
        running.batches.set_epoch(0, order=self._order(self.stages[0]))
        images, index = next(iter(running.loader))
        _, stats = self._step(self.stages[0], running, images, index, len(running.batches))
        return {name: float(value) for name, value in stats.items()}

    def _check_rows(self) -> None:
        """Batch normalisation needs two rows: known before the first step, for every stage.

        Raises:
            ValueError: A process would have a batch of one row.
        """
        if not any(isinstance(part, _BatchNorm) for part in self.network.modules()):
            return
        for stage in self.stages:
            least = -(-2 // len(stage.views)) * self.fabric.world_size
            if stage.batch_size < least:
                raise ValueError(
                    f"Expected `stages.{stage.name}.batch_size` of at least {least}: batch "
                    "normalisation needs two rows in each process, but got "
                    f"{stage.batch_size}. Try: a larger batch, or two views"
                )

    def _start_stage(self, saved: dict[str, Any] | None) -> None:
        stage = self.stages[self.at.stage]
        objective = stage.objective
        counts = torch.bincount(self.given, minlength=len(self.data.train.classes))
        projected = self.network.projector.dim
        objective.setup(
            TrainingFacts(
                samples=len(self.given),
                classes=len(counts),
                counts=counts,
                dim=projected,
                features=self.network.backbone.dim,
                epochs=stage.epochs,
                new_network=self._new_network,
            )
        )
        if saved is None:
            if self.peer is not None and objective.peer is not None:
                objective.peer.load_state_dict(self.peer)  # goes on from the stage before
            for head in stage.reset:
                self._renew(getattr(self.network, head), f"{stage.name}/{head}")
        module = TrainingStep(self.network, objective, stage.view_names).to(self.device)
        optimizer = stage.optimizer(module)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        if saved is not None:
            objective.load_state_dict(saved["objective"])
            optimizer.load_state_dict(saved["optimizer"])
        wrapped, optimizer = self.fabric.setup(module, optimizer)
        dataset, batches = self._fed(self.at.stage)
        loader = training_loader(
            dataset, batches, self.settings.workers, pin_memory=self.device.type == "cuda"
        )
        declared = declared_keys(module)
        self._running = _Running(
            wrapped, module, optimizer, objective, batches, loader, dataset, declared
        )
        if saved is not None:
            restore_random(self, saved)  # last of all: setting up may draw
        self.progress.start_stage(
            stage.name,
            stage.epochs,
            len(batches),
            self.at.epoch - self.at.unvalidated,
            self.at.step,
        )

    def _fed(self, number: int) -> tuple[ViewDataset, EpochBatches]:
        """The views of a stage, and the batches that they come in."""
        stage = self.stages[number]
        dataset = ViewDataset(self.data.train, stage.views, self._key("views", number))
        batches = EpochBatches(
            len(self.data.train),
            stage.batch_size,
            seed=self._key("order", number),
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            drop_last=stage.drop_last,
        )
        return dataset, batches

    def peer_state(self) -> dict[str, Any] | None:
        """The weights of the objective's second network, or None where it has none."""
        peer = self.running.objective.peer
        return None if peer is None else {k: v.clone() for k, v in peer.state_dict().items()}

    def _new_network(self, name: str) -> Network:
        """A network like the run's own with weights of its own, on the CPU."""
        network = copy.deepcopy(self.network).cpu()
        self._renew(network, f"{self.stages[self.at.stage].name}/{name}")
        return network

    def _renew(self, module: nn.Module, name: str) -> None:
        """Draw a module's first weights anew, from the seed and a name."""
        device = next(module.parameters()).device
        module.cpu()
        with seeded_weights(self.settings.seed, name):
            for part in module.modules():
                start = getattr(part, "reset_parameters", None)
                if callable(start):
                    start()
        module.to(device)

    def _order(self, stage: Stage) -> IntArray | None:
        """The samples of the coming epoch in order; None visits each once, as the batches draw."""
        dropped = self.samples.role == int(Role.DROPPED)
        plain = isinstance(stage.sampler, Shuffled) and stage.sampler.only == "all"
        if plain and not bool(dropped.any()):
            return None
        seed = [self._key("sampler", self.at.stage), self.at.epoch]
        order = asked_order(
            stage.sampler,
            SamplerInput(
                label=self.samples.label.cpu().numpy(),
                trusted=((self.samples.trust > 0.5) & ~dropped).cpu().numpy(),
                classes=len(self.data.train.classes),
                batch_size=stage.batch_size,
                epoch=self.at.epoch,
                epochs=stage.epochs,
                generator=np.random.default_rng(np.random.SeedSequence(seed)),
            ),
        )
        kept: IntArray = order[~dropped.cpu().numpy()[order]]
        return kept

    def _key(self, purpose: str, stage: int) -> int:
        """A seed of its own for each purpose and stage, the same in every process."""
        text = f"{self.settings.seed}/{stage}/{purpose}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "little")

    def _run_stage(self) -> None:
        stage = self.stages[self.at.stage]
        while self.at.unvalidated or self.at.epoch < stage.epochs:
            if not self.at.unvalidated:
                self._run_epoch(stage)
                self.at.epoch += 1
                self.at.epochs_done += 1
                self.at.step = 0
            shown = {"loss": self.averages.means()["loss"]}
            last = self.at.epoch == stage.epochs
            final = last and self.at.stage + 1 == len(self.stages)
            every = self.settings.validate_every
            if self.validate is not None and every and (self.at.epochs_done % every == 0 or final):
                self.at.unvalidated = True
                with self._saved_if_bad():
                    shown |= self._validate(self.validate)
            self.at.unvalidated = False
            self.progress.epoch_end(shown)
            if self.at.epochs_done % self.settings.checkpoint_every == 0 or last:
                self.save()
            self._stop_if_asked()

    def _run_epoch(self, stage: Stage) -> dict[str, float]:
        running = self.running
        started = time.perf_counter()
        if self.at.step == 0:
            self.averages.reset()
            with self._saved_if_bad():
                self._refresh(running)
            self.gone.drop(self.samples)
        running.batches.set_epoch(self.at.epoch, start_step=self.at.step, order=self._order(stage))
        running.module.train()
        steps = len(running.batches)
        for images, index in self._batches(running):
            loss, stats = self._step(stage, running, images, index, steps)
            self.averages.add(stats)
            self.at.step += 1
            self.at.global_step += 1
            show = self.device.type == "cpu" or self.at.step % LOG_EVERY == 0
            if show:
                self._check_finite(loss)
            self.progress.step(loss)
            if self.at.step < steps:
                self._stop_if_asked()
        self._check_finite(loss)
        means = {f"train/{name}": value for name, value in self.averages.means().items()}
        means["train/lr"] = running.optimizer.param_groups[0]["lr"]
        means["epoch"] = float(self.at.epochs_done + 1)
        if self.gone.count:
            means["data/gone"] = float(self.gone.count)
        self._warn_about(means)
        seconds = time.perf_counter() - started
        self.at.seconds += seconds
        self.recorder.metrics(means, self.at.global_step)
        self.recorder.metrics({"time/epoch_seconds": seconds}, self.at.global_step)
        return means

    def _batches(self, running: _Running) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch, or of what is left of it."""
        batches = iter(running.loader)
        while True:
            # at its first step an epoch has been prepared, and would be again: nothing to save
            within = 0 < self.at.step < len(running.batches)
            with (
                self._saved_if_bad() if self.at.step else nullcontext(),
                self._may_stop() if within else nullcontext(),
            ):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _saved_if_bad(self) -> Iterator[None]:
        """Where an image that has gone bad ends the run, what was learnt is saved first.

        With several processes the others wait for this one, and the last checkpoint must do.
        """
        try:
            yield
        except BadImageError:
            if self.fabric.world_size == 1:
                self.save()
            raise

    def _step(
        self, stage: Stage, running: _Running, images: Tensor, index: Tensor, steps: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        position = self.at.epoch + self.at.step / steps
        factor = stage.factor(position, float(stage.epochs))
        for group in running.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        index, blank = self.gone.places(index)
        loss, stats = running.module(
            images.to(self.device, non_blocking=True).transpose(0, 1),
            index.to(self.device),
            self.gone.believed(self.samples, index, blank),
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
            self.twin.update(self.network)
        return loss.detach(), {"loss": loss.detach(), **stats}

    def _refresh(self, running: _Running) -> None:
        """Let the objective look at the training set at the start of an epoch."""
        agree(running.objective)
        peer = running.objective.peer
        passes: list[Outputs] = []

        def outputs() -> Outputs:
            passes.append(self.embed(self.data.train))
            return passes[-1]

        with self._may_stop():
            bank = make_bank(
                running.objective.requires_at(self.at.epoch),
                self.given,
                len(self.data.train.classes),
                self.samples,
                outputs,
                None if peer is None else lambda: self.embed(self.data.train, peer).logits,
                self.data.truth,
                self.device,
                self.settings.neighbours,
            )
        selection = running.objective.refresh(bank, self.at.epoch)
        if selection is None:
            return
        self.believe(selection)
        stats = {f"selection/{name}": value for name, value in selection.stats.items()}
        stats["selection/trusted"] = float((selection.trust > 0.5).float().mean())
        if self.observe is not None:
            selector = running.objective.selector_in_use
            stage = self.stages[self.at.stage].name
            told = passes and running.objective.trains_classifier
            predicted = passes[0].logits.argmax(1) if told else None
            done = self.at.epochs_done
            seen = Refreshed(selection, bank, selector, stage, done, predicted)
            stats |= {f"selection/{k}": v for k, v in self.observe(seen).items()}
        self.recorder.metrics(stats, self.at.global_step)

    def believe(self, selection: Selection) -> None:
        """Take labels, trust and roles from a selection."""
        self.samples.label = selection.label.to(self.device)
        self.samples.trust = selection.trust.to(self.device)
        self.samples.role = selection.role.to(self.device)
        posterior = selection.posterior
        self.samples.posterior = None if posterior is None else posterior.to(self.device)

    def _check_finite(self, loss: Tensor) -> None:
        if not math.isfinite(float(loss)):
            raise FloatingPointError(
                f"Expected a finite loss, but got {float(loss)} at step {self.at.global_step} "
                "(stage "
                f"{self.stages[self.at.stage].name}, epoch {self.at.epoch + 1}). "
                "Try: a smaller learning rate, a warm-up, or clip_norm"
            )

    def _warn_about(self, means: Mapping[str, float]) -> None:
        for name, value in means.items():
            if name.endswith("/lonely") and value > 0.5:
                self.progress.warn(
                    f"{value:.0%} of the anchors of `{name.split('/')[1]}` had no positive in "
                    f"epoch {self.at.epoch + 1}: they teach nothing. "
                    "Try: a larger batch or more views"
                )

        # measured on an epoch's first batch: before that of the first nothing was trained
        trained = self.at.epochs_done > 0
        for name in [n for n in means if trained and n.endswith("/collapsed")]:
            term = name.removesuffix("/collapsed")
            if means[name] > 0 and means.get(f"{term}/uniformity", 0.0) > EQUAL_ROWS:
                self.progress.warn(
                    f"the embeddings of `{term.split('/')[1]}` have collapsed: all are nearly "
                    "equal, and the gradient is next to nothing. Try: a warm-up, or a smaller "
                    "learning rate"
                )

    def _validate(self, validate: Validate) -> dict[str, float]:
        with self._may_stop():
            values = validate(self)
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

    # -- stopping and going on ------------------------------------------------------------------

    @contextmanager
    def _may_stop(self) -> Iterator[None]:
        """Work that a stop may break off anywhere: it changes nothing that a checkpoint holds.

        One of several processes cannot stop without the others, and waits for the next step.
        """
        if self.fabric.world_size > 1:
            yield
            return
        try:
            with self._stop.at_once():
                yield
        except Interrupted as stopped:
            self._save_and_stop(stopped.number)

    def _stop_if_asked(self) -> None:
        number = self._stop.number or 0
        if self.fabric.world_size > 1:
            flag = torch.tensor([float(number)], device=self.device)
            dist.all_reduce(flag, dist.ReduceOp.MAX)
            number = int(flag.item())
        if number:
            self._save_and_stop(number)

    def _save_and_stop(self, number: int) -> NoReturn:
        self._stop.answer()
        self.save()
        name = signal.Signals(number).name
        raise Interrupted(f"{name}; saved at step {self.at.global_step}", number)

    def save(self) -> None:
        """Write the checkpoint from which a resumed run ends with the same numbers."""
        agree(self.network, self.twin, self.running.objective)
        state = gather_state(self)
        if self.fabric.global_rank == 0:
            save_generation(self.settings.folder, {**state, **self.beside()})
            at = self.at
            self.recorder.tags({CHECKPOINT: f"epoch {at.epochs_done}, step {at.global_step}"})

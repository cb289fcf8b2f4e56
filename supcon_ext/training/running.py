"""The stage that runs now: its objects, made when it starts or goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from data_tools.training_set import caption_texts
from supcon_ext.feed.base import EpochPlan, StageFeed
from supcon_ext.models.new_weights import network_like, renew
from supcon_ext.objectives.base import Objective, TrainingFacts
from supcon_ext.training.declared_state import declared_keys
from supcon_ext.training.step import TrainingStep

if TYPE_CHECKING:
    from supcon_ext.training.loop import Trainer


@dataclass(slots=True)
class Running:
    """The objects of the stage that runs now.

    Attributes:
        module: What a step calls, as Fabric wrapped it.
        step: What it wraps.
        optimizer: Of its parameters.
        objective: What is minimised.
        feed: The stage's batches.
        plan: The epoch that runs now.
        declared: State that the module declared, until its first step has been compared with it.
    """

    module: nn.Module
    step: TrainingStep
    optimizer: Any
    objective: Objective
    feed: StageFeed
    plan: EpochPlan
    declared: frozenset[str] | None = field(repr=False)

    @property
    def steps(self) -> int:
        """Of the epoch that runs now."""
        return self.feed.steps(self.plan)

    def peer_state(self) -> dict[str, Any] | None:
        """The weights of the objective's second network, or None where it has none."""
        peer = self.objective.peer
        return None if peer is None else {k: v.clone() for k, v in peer.state_dict().items()}


def start(trainer: Trainer, saved: Mapping[str, Any] | None) -> Running:
    """Make the objects of a trainer's present stage.

    Args:
        trainer: Whose network is trained.
        saved: A checkpoint of the middle of the stage; None begins it, with the second network as
            the stage before left it and new weights of the heads that it resets.
    """
    stage, seed = trainer.stages[trainer.at.stage], trainer.settings.seed
    objective, network, beliefs = stage.objective, trainer.network, trainer.beliefs
    objective.setup(
        TrainingFacts(
            samples=len(beliefs.given),
            classes=beliefs.classes,
            counts=beliefs.counts,
            real_counts=beliefs.real_counts,
            dim=network.projector.dim,
            features=network.backbone.dim,
            epochs=stage.epochs,
            network=network,
            captions=caption_texts(trainer.data.train),
            new_network=lambda name: network_like(network, seed, f"{stage.name}/{name}"),
        )
    )
    if saved is None:
        if trainer.peer is not None and objective.peer is not None:
            objective.peer.load_state_dict(trainer.peer)
        for head in stage.reset:
            renew(getattr(network, head), seed, f"{stage.name}/{head}")
    module = TrainingStep(network, objective).to(trainer.device)
    optimizer = stage.optimizer(module)
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
        if stage.weight_decay_end is not None:
            group["initial_weight_decay"] = group.get("weight_decay", 0.0)
    if saved is not None:
        objective.load_state_dict(saved["objective"])
        optimizer.load_state_dict(saved["optimizer"])
    wrapped, optimizer = trainer.fabric.setup(module, optimizer)
    return Running(
        module=wrapped,
        step=module,
        optimizer=optimizer,
        objective=objective,
        feed=trainer.stage_feed(trainer.at.stage),
        plan=EpochPlan(trainer.at.epoch),
        declared=declared_keys(module),
    )

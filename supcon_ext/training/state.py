"""What a checkpoint holds of a trainer, and a trainer put back to where one was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from supcon_ext.training.random_state import random_state, restore_random_state

if TYPE_CHECKING:
    from supcon_ext.training.loop import Trainer


def gather_state(trainer: Trainer) -> dict[str, Any]:
    """Everything from which a resumed run ends with the same numbers; all processes call it."""
    fabric = trainer.fabric
    mine = {"global": random_state(), "generator": trainer.generator.get_state()}
    randomness: list[Any] = [mine]
    if fabric.world_size > 1:
        randomness = [None] * fabric.world_size
        dist.all_gather_object(randomness, mine)
    running = trainer.running
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    return {
        "position": {name: getattr(trainer.at, name) for name in type(trainer.at).__slots__},
        "network": trainer.network.state_dict(),
        "best": trainer.best,
        "twin": None if trainer.twin is None else trainer.twin.state_dict(),
        "objective": running.objective.state_dict(),
        "peer": running.peer_state(),
        "optimizer": running.optimizer.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
        "averages": trainer.averages.state_dict(),
        "samples": trainer.beliefs.state_dict(),
        "gone": trainer.beliefs.gone.mask,
        "randomness": randomness,
        "labels_hash": trainer.data.labels_hash,
    }


def restore_random(trainer: Trainer, state: dict[str, Any]) -> None:
    """Put this process's generators back to where a checkpoint was written."""
    mine = state["randomness"][trainer.fabric.global_rank]
    restore_random_state(mine["global"])
    trainer.generator.set_state(mine["generator"])


def restore_state(trainer: Trainer, state: dict[str, Any]) -> dict[str, Any] | None:
    """Put a trainer back to where a checkpoint was written.

    Returns:
        The state, for the stage that is to go on; None where the next one begins.

    Raises:
        ValueError: The checkpoint is of other labels, or of another number of processes.
    """
    if state["labels_hash"] != trainer.data.labels_hash:
        raise ValueError(
            "Expected the given labels with which the run was started, but the data set's labels "
            "are others: the data or its noise changed since"
        )
    fabric, randomness = trainer.fabric, state["randomness"]
    if len(randomness) != fabric.world_size:
        raise ValueError(
            f"Expected the {len(randomness)} processes with which the run was started, but got "
            f"{fabric.world_size}"
        )
    trainer.at = type(trainer.at)(**state["position"])
    trainer.network.load_state_dict(state["network"])
    trainer.best = state["best"]
    if trainer.twin is not None:
        trainer.twin.load_state_dict(state["twin"])
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    if scaler is not None and state["scaler"] is not None:
        scaler.load_state_dict(state["scaler"])
    trainer.averages.load_state_dict(state["averages"])
    trainer.beliefs.load_state_dict(state["samples"])
    trainer.beliefs.gone.mask = state["gone"]
    restore_random(trainer, state)
    at = trainer.at
    if at.epoch == trainer.stages[at.stage].epochs and not at.unvalidated:
        at.next_stage()
        trainer.peer = state["peer"]
        return None
    return state

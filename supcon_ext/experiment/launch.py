"""The processes of a run: started, seeded, and told by the first what it alone found out."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from lightning_fabric import Fabric

from supcon_ext.experiment.cannot_start import CannotStart, starting
from supcon_ext.experiment.sending import NotHere, Parcel, parcel
from supcon_ext.recipe.schema import Recipe

T = TypeVar("T")


def launch(recipe: Recipe) -> Fabric:
    """Start the processes that the recipe or the launcher asks for.

    Raises:
        CannotStart: The machine has no such accelerator.
    """
    compute = recipe.compute
    strategy = compute.strategy
    many = compute.devices != 1 or compute.nodes > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if many and strategy in ("auto", "ddp"):
        strategy = "ddp_find_unused_parameters_true"  # a stage may leave a head out
    with starting():
        try:
            fabric = Fabric(
                accelerator=compute.accelerator,
                devices=compute.devices,
                num_nodes=compute.nodes,
                strategy=strategy,
                precision=cast(Any, compute.precision),
            )
        except (RuntimeError, TypeError) as error:  # `cuda` or `single_xla` where there is none
            raise CannotStart(
                f"Expected a machine with compute.accelerator={compute.accelerator} and "
                f"compute.devices={compute.devices}, but {error}"
            ) from error
    fabric.launch()
    return fabric


def from_first(fabric: Fabric, make: Callable[[], T], patience: timedelta | None = None) -> T:
    """What the first process makes, in every process; what it cannot start with, too.

    Pictures that lie in a file are not sent: every process maps them. Where one does not find that
    file, it is sent all.

    Args:
        fabric: Launched.
        make: Called in the first process alone; what it returns can be pickled.
        patience: How long the others wait; None is as long as for any exchange, minutes.

    Raises:
        CannotStart: In every process, where the first raised it, or made what cannot be pickled.
    """
    if fabric.world_size == 1:
        return make()
    group: Any = None if patience is None else dist.new_group(backend="gloo", timeout=patience)
    first = fabric.global_rank == 0
    made: Any = None
    sent: list[Any] = [None, None]
    if first:
        try:
            made = make()
            sent[0] = _sendable(made)
        except CannotStart as error:
            sent = [None, str(error)]
    dist.broadcast_object_list(sent, group=group)
    if sent[1] is None:
        made = _received(fabric, sent[0], made, group)
    if group is not None:
        dist.destroy_process_group(group)
    if sent[1] is not None:
        raise CannotStart(sent[1])
    return cast(T, made)


def _received(fabric: Fabric, sent: Parcel, made: Any, group: Any) -> Any:
    """What a parcel holds: in the first process what it made, in all others a copy."""
    here = fabric.global_rank == 0
    if not here:
        with suppress(NotHere):
            made, here = sent.opened(), True
    if not sent.files:
        return made
    found = [False] * fabric.world_size
    dist.all_gather_object(found, here, group=group)
    if all(found):
        return made
    whole = [parcel(made, whole=True) if fabric.global_rank == 0 else None]
    dist.broadcast_object_list(whole, group=group)
    return made if here else cast(Parcel, whole[0]).opened()


def _sendable(made: Any) -> Parcel:
    try:  # tried here, since the others wait for ever where sending fails
        return parcel(made)
    except (pickle.PicklingError, AttributeError, TypeError) as error:  # as each class refuses it
        raise CannotStart(
            f"Expected what can be sent from the first process to the others, but {error}. "
            "Try: samples that pickle takes, or one process"
        ) from error


@contextmanager
def determinism(wanted: bool, seed: int, rank: int) -> Iterator[None]:
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

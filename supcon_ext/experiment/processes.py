"""The processes of a run: how many a launcher has started, and which one speaks when one fails."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta

import torch.distributed as dist

from supcon_ext.losses.gather import process_rank, world_size
from supcon_ext.recipe.schema import Recipe

_FAILED = "supcon_ext/failed"
_PATIENCE = timedelta(seconds=5)


def as_launched(recipe: Recipe, environment: Mapping[str, str] | None = None) -> Recipe:
    """The recipe with the devices and nodes that ``torchrun`` has started, where it has.

    Args:
        recipe: What to run.
        environment: As the launcher left it; default: this process's.

    Raises:
        ValueError: The recipe names another number.
    """
    environment = os.environ if environment is None else environment
    if "TORCHELASTIC_RUN_ID" not in environment:
        return recipe
    world, devices = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
    started = {"devices": devices, "nodes": max(world // devices, 1)}
    compute = recipe.compute
    for name, count in started.items():
        named = getattr(compute, name)
        if name in compute.model_fields_set and named not in ("auto", count):
            raise ValueError(
                f"Expected compute.{name}={count}, as the launcher has started {world} processes, "
                f"{devices} on each node, but the recipe names {named}. "
                f"Try: leave compute.{name} out, or start as many"
            )
    return recipe.model_copy(update={"compute": compute.model_copy(update=started)})


def first_to_fail() -> bool:
    """Whether this process is the first of the run's to fail, and so the one that says why.

    The others fail soon after, of the same or because they miss the first.
    """
    if world_size() == 1:
        return True
    mine = str(process_rank())
    try:
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(  # type: ignore[attr-defined]
            *place, is_master=False, timeout=_PATIENCE
        )
        return bytes(store.compare_set(_FAILED, "", mine)).decode() == mine
    except (RuntimeError, ValueError, KeyError):  # the store went with the process that held it
        return not dist.is_initialized()

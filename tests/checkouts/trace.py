"""Runs a recipe with the package that is on the path, and writes down every optimiser step.

Run by its path, so that it imports nothing of the checkout that it lies in:
``PYTHONPATH=CHECKOUT python tests/checkouts/trace.py OUT STOP FOLDER RECIPE [KEY=VALUE ...]``

A recipe is a file or a shipped name; ``SWEEP::CHILD``, a run of a sweep; or
``MODULE:FUNCTION:NUMBER:...``, a function of the checkout that gives a recipe as a mapping. So each
checkout reads its own, and keys may have been renamed between the two. To such a function the
members of families that the environment variable ``LEFT_OUT`` names are not there: a JSON object of
lists of names, by family.

Torch's own hooks do the watching, so that any version of the package can be watched. A line of
``OUT`` (``OUT.<rank>`` for further processes) is one step: the loss, gradients and weights, each as
the digest of all its bits. Tensors are taken in the order of their digests: parameters may be
arranged otherwise, and still be the same.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook


def digest(tensors: Iterable[torch.Tensor]) -> str:
    """SHA-256 over tensors, in whatever order they come."""
    each = sorted(
        hashlib.sha256(
            str((tensor.dtype, tuple(tensor.shape))).encode()
            + tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        ).hexdigest()
        for tensor in tensors
    )
    return hashlib.sha256("".join(each).encode()).hexdigest()[:16]


def watch(out: Path, stop: int) -> None:
    """Write down each step from here on; after step ``stop`` (0: never) ask this process to end."""
    rank = os.environ.get("LOCAL_RANK", "0")
    place = out if rank == "0" else out.with_name(f"{out.name}.{rank}")
    done = len(place.read_text().splitlines()) if place.exists() else 0
    losses: list[str] = []
    backward = torch.Tensor.backward

    def remember(self: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        losses.append(float(self.detach()).hex())
        backward(self, *args, **kwargs)

    torch.Tensor.backward = remember  # type: ignore[method-assign]

    def write(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        nonlocal done
        if isinstance(optimizer, torch.optim.LBFGS):
            losses.clear()  # an evaluator's search
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        done += 1
        line = {
            "step": done,
            "loss": list(losses),
            "gradients": digest(p.grad for p in parameters if p.grad is not None),
            "weights": digest(parameters),
        }
        losses.clear()
        with place.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if done == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    register_optimizer_step_post_hook(write)


def leave_out(names: dict[str, list[str]]) -> None:
    """Let these members of families be found by their names alone, and listed no more."""
    from data_tools.registry import Registry

    listed = Registry.names

    def others(self: Any) -> list[str]:
        return [name for name in listed(self) if name not in names.get(self.family, [])]

    Registry.names = others  # type: ignore[method-assign]


def recipe_of(named: str, overrides: list[str]) -> Any:
    """The recipe that a text names."""
    from supcon_ext.recipe import load_recipe, parse_recipe

    if "::" in named:
        from supcon_ext.recipe.library import find_recipe
        from supcon_ext.sweep import load_sweep

        sweep, child = named.split("::")
        children = load_sweep(find_recipe(sweep), overrides).children
        return next(each.recipe for each in children if each.name == child)
    if ":" in named and not Path(named).exists():
        module, function, *numbers = named.split(":")
        leave_out(json.loads(os.environ.get("LEFT_OUT", "{}")))
        made = getattr(importlib.import_module(module), function)(*map(int, numbers))
        return parse_recipe(made, overrides)
    return load_recipe(named, overrides)


def main() -> None:
    """Run, or go on with the run that is in the folder."""
    out, stop, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    from supcon_ext.experiment import resume, run
    from supcon_ext.interrupt import Interrupted

    watch(out, stop)
    try:
        if (folder / "recipe.yaml").is_file():
            resume(folder)
        else:
            run(recipe_of(sys.argv[4], sys.argv[5:]), folder=folder)
    except Interrupted:
        sys.exit(130)


if __name__ == "__main__":
    main()

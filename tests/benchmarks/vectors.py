"""A step on vectors beside the bare network's: what data, views and the loop cost, as a ratio.

python -m tests.benchmarks.vectors --samples 50000 --width 1280

The bare loop has its batches ready in memory and does what no training can do without: forward,
loss, backward, and the optimiser's step. Both take steps in turn, in one process, so that a busy
moment of the machine hits both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console

from data_tools.vector_file import write_vectors
from supcon_ext.experiment.preparation import prepare
from supcon_ext.feed.base import EpochPlan
from supcon_ext.losses import SupConLoss
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.recipe import parse_recipe
from supcon_ext.training.loop import Trainer

POLICIES = ("stored_view", "gaussian_noise", "mask", "interpolate")


def vectors_file(folder: Path, samples: int, width: int, views: int) -> Path:
    """Ten clusters of vectors in float16."""
    random = np.random.default_rng(0)
    label = np.arange(samples) % 10
    x = random.standard_normal((samples, views, width), dtype=np.float32)
    x += random.standard_normal((10, 1, width), dtype=np.float32)[label]
    path = folder / "vectors.npz"
    write_vectors(path, x.astype(np.float16), label=label)
    return path


def recipe(path: Path, policy: str, batch: int, hidden: list[int]) -> dict[str, Any]:
    """SupCon on two views with an MLP."""
    return {
        "name": "benchmark",
        "data": {"dataset": {"kind": "vectors", "file": str(path)}, "validation": 0},
        "model": {
            "backbone": {"kind": "mlp", "hidden": hidden, "dim": 256},
            "projector": {"hidden": 256, "dim": 128},
        },
        "stages": [
            {
                "name": "supcon",
                "epochs": 1,
                "batch_size": batch,
                "views": {"policy": policy, "count": 2},
                "objective": [{"contrastive": {}}],
            }
        ],
        "evaluation": [],
        "tracking": {"uri": "none"},
        "compute": {"accelerator": "cpu"},
    }


def our_steps(trainer: Trainer) -> Iterator[None]:
    """Steps of the trainer, epoch after epoch; each from the batch to the weights."""
    trainer._start_stage(None)
    running, stage = trainer.running, trainer.stages[0]
    for epoch in range(10**6):
        trainer.at.step = 0
        running.plan = EpochPlan(epoch)
        for batch in trainer._batches(running, running.steps):
            loss, stats = trainer._step(stage, running, batch)
            trainer.averages.add(stats)
            trainer.at.step += 1
            trainer._check_finite(loss)
            yield


def bare_step(network: Any, batch: int, width: int) -> Callable[[], None]:
    """Forward, loss, backward and the optimiser's step on a batch that lies ready."""
    x = torch.randn(2 * batch, width)
    label = torch.arange(batch) % 10
    loss = SupConLoss(temperature=0.1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        z = network(x).z
        value = loss(torch.stack(torch.chunk(z, 2), 1), label)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


def ratio(path: Path, policy: str, batch: int, width: int, hidden: list[int], steps: int) -> Any:
    """Medians of both, in seconds, and the median of their ratios step by step."""
    fabric = Fabric(accelerator="cpu", devices=1)
    made = prepare(parse_recipe(recipe(path, policy, batch, hidden)), fabric, ConsoleProgress())
    ours = our_steps(made.trainer)
    bare_made = prepare(
        parse_recipe(recipe(path, policy, batch, hidden)), fabric, ConsoleProgress()
    )
    bare = bare_step(bare_made.trainer.network.train(), batch, width)
    taken: list[tuple[float, float]] = []
    for number in range(steps + 5):
        start = time.perf_counter()
        next(ours)
        middle = time.perf_counter()
        bare()
        end = time.perf_counter()
        if number >= 5:
            taken.append((middle - start, end - middle))
    times = np.array(taken)
    return np.median(times[:, 0]), np.median(times[:, 1]), np.median(times[:, 0] / times[:, 1])


@click.command()
@click.option("--samples", default=50_000)
@click.option("--width", default=1280)
@click.option("--views", default=1, help="Stored views of each sample.")
@click.option("--batch", default=512)
@click.option("--hidden", default="", help="Widths before the last, with commas between.")
@click.option("--steps", default=100)
@click.option("--policies", default=",".join(POLICIES[:3]))
def main(
    samples: int, width: int, views: int, batch: int, hidden: str, steps: int, policies: str
) -> None:
    """Print the time of a step, ours and bare, for each policy."""
    widths = [int(part) for part in hidden.split(",") if part]
    with tempfile.TemporaryDirectory() as folder:
        path = vectors_file(Path(folder), samples, width, views)
        for policy in policies.split(","):
            ours, bare, factor = ratio(path, policy, batch, width, widths, steps)
            Console().print(
                f"{policy}: ours {ours * 1e3:.1f} ms, bare {bare * 1e3:.1f} ms, ratio {factor:.3f}"
            )


if __name__ == "__main__":
    main()

"""What each selector, weighting and term adds to a training step, and what a refresh takes.

    python -m tests.benchmarks.cost

A step is forward and backward of an objective of one term on a batch of two views, all in the same
rounds: the contrastive term with the selector or with the weighting, which add to plain SupCon; or
the term by itself, which adds to the bare network. That is a few small layers, the same for all
but for terms that need tokens: they pass images through a small transformer themselves, and all of
their step is what they add.
All parts are as a recipe makes them by default. Times are of the processor, of one thread, so that
what else the machine does is left out of them. A refresh is what
a selector does once an epoch, with its own search of neighbours, when features, logits and losses
of all samples are there. What is found goes to ``docs/costs.json``, which the site shows.

Letters: N samples, B of a batch, D embedding, C classes.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional

from data_tools.registry import family
from data_tools.whole_file import write_whole
from supcon_ext.feed.base import Group
from supcon_ext.models.base import Backbone
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.models.network import Network, build_network
from supcon_ext.objectives.base import Beliefs, Objective, StepBatch, Term, TrainingFacts
from supcon_ext.recipe.families import load_families
from supcon_ext.seeding import seeded_generator, seeded_weights
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import SampleBank, Selection
from supcon_ext.selectors.label import Label
from tests.benchmarks.machine import load_average, machine, versions
from tests.benchmarks.timing import Times, interleaved

COSTS = Path(__file__).parents[2] / "docs/costs.json"
FAMILIES = ("selector", "weighting", "term")
PLAIN, BARE = ("term", "contrastive"), ("network", "bare")
TRANSFORMER = "vit_small_images"
VIEWS, EPOCHS, EPOCH, WRONG, CAPTIONS = 2, 100, 90, 0.2, 200
PARAMETERS: dict[tuple[str, str], dict[str, Any]] = {
    ("selector", "offline_scores"): {"path": "scores.csv"},
    ("term", "image_text"): {"vectors": "captions.npz"},
}
"""What members are given that have no defaults."""
ON_TOKENS = {("term", "ibot")}
"""Who passes images through a network that hands out tokens, and needs no other pass."""
PATIENCE = 10
"""How much longer they may take than others."""


@dataclass(frozen=True)
class Sizes:
    """N, B, D, and the side of the images of who needs tokens."""

    samples: int = 10_000
    batch: int = 256
    dim: int = 128
    side: int = 16


class Scene:
    """Samples of classes that lie apart, a fifth with wrong labels, and one batch of them.

    Args:
        sizes: N, B and D.
        classes: C.
    """

    def __init__(self, sizes: Sizes, classes: int) -> None:
        self.sizes, self.classes = sizes, classes
        draw = torch.Generator().manual_seed(classes)
        count, dim = sizes.samples, sizes.dim
        self.truth = torch.randint(classes, (count,), generator=draw)
        wrong = torch.rand(count, generator=draw) < WRONG
        other = torch.randint(classes, (count,), generator=draw)
        self.label = torch.where(wrong, other, self.truth)
        centre = torch.randn(classes, dim, generator=draw)
        self.x = centre[self.truth] + torch.randn(count, dim, generator=draw)
        self.index = torch.randperm(count, generator=draw)[: sizes.batch].repeat(VIEWS)
        noise = torch.randn(len(self.index), dim, generator=draw)
        self.views = self.x[self.index] + 0.3 * noise
        self.images = torch.randn(len(self.index), 3, sizes.side, sizes.side, generator=draw)
        self.columns = {
            "caption": torch.arange(count) % CAPTIONS,
            "labels": functional.one_hot(self.label, classes).float(),
        }

    def bank(self, epoch: int) -> SampleBank:
        """All that may be known of the samples."""
        draw = torch.Generator().manual_seed(epoch)
        rough = self.x + 0.1 * torch.randn(self.x.shape, generator=draw)
        logits, peer = (
            3 * functional.one_hot(self.truth, self.classes)
            + torch.randn(len(self.truth), self.classes, generator=draw)
            for _ in range(2)
        )
        return SampleBank(
            index=torch.arange(len(self.label)),
            label=self.label,
            classes=self.classes,
            features=rough,
            z=functional.normalize(rough, dim=1),
            logits=logits,
            loss=functional.cross_entropy(logits, self.label, reduction="none"),
            peer_logits=peer,
            truth=self.truth,
            columns=self.columns,
        )

    def network(self, seed: int) -> Network:
        """Two small layers."""
        dim = self.sizes.dim

        def backbone(width: int) -> Backbone:
            return Backbone(nn.Linear(width, dim), dim)

        def head(in_dim: int, classes: int) -> MLP:
            return MLP(in_dim, hidden=dim, dim=dim)

        return build_network(backbone, dim, self.classes, projector=head, predictor=head, seed=seed)

    def token_network(self, seed: int) -> Network:
        """The small transformer, with a head on its patches."""
        encoder = family("backbone").spec({"kind": TRANSFORMER, "image_size": self.sizes.side})
        return build_network(
            encoder.bind(),
            3,
            self.classes,
            patch_head=family("head").spec("dino").bind(),
            seed=seed,
        )


class Contender:
    """An objective of one term, ready for steps.

    Args:
        scene: What it is trained on.
        of: Family and name of the part.
    """

    def __init__(self, scene: Scene, of: tuple[str, str]) -> None:
        self.scene = scene
        term = made_term(of)
        tokens = of in ON_TOKENS
        made = scene.token_network if tokens else scene.network
        self.inputs = scene.images if tokens else scene.views
        self.objective, self.network = Objective({"term": term}), made(0)
        self.twin, self.generator = made(1), seeded_generator(0)
        count = len(scene.label)
        self.beliefs = Beliefs(
            scene.label,
            torch.ones(count),
            torch.zeros(count, dtype=torch.int8),
            scene.columns,
        )
        facts = TrainingFacts(
            samples=count,
            classes=scene.classes,
            counts=torch.bincount(scene.label, minlength=scene.classes),
            dim=self.network.projector.dim,
            features=self.network.backbone.dim,
            epochs=EPOCHS,
            selector=term.selector_in_use or Label(),
            network=self.network,
            captions=tuple(f"caption {number}" for number in range(CAPTIONS)),
            new_network=lambda name: scene.network(2),
        )
        with seeded_weights(0, "cost"):
            term.setup(facts)
        selected = term.refresh(scene.bank(EPOCH), EPOCH)
        if selected is not None:
            self.believe(selected)

    def believe(self, made: Selection) -> None:
        """Take what was selected."""
        self.beliefs.label, self.beliefs.trust = made.label, made.trust
        self.beliefs.role, self.beliefs.posterior = made.role, made.posterior

    def step(self) -> float:
        """Forward and backward."""
        scene = self.scene
        batch = StepBatch(
            {"views_0": Group(self.inputs, scene.index, VIEWS)},
            self.beliefs,
            self.network,
            self.twin,
            EPOCH,
            0,
            EPOCH / EPOCHS,
            self.generator,
        )
        loss, _ = self.objective(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        self.network.zero_grad(set_to_none=True)
        self.objective.zero_grad(set_to_none=True)
        return float(loss.detach())

    def bare_step(self) -> float:
        """The network alone: forward, and backward through all of its heads."""
        told = self.network(self.inputs)
        loss = told.z.square().sum() + told.features.square().sum() + told.logits.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.network.zero_grad(set_to_none=True)
        return float(loss.detach())


def made_term(of: tuple[str, str]) -> Term:
    """The term by itself, or the contrastive one with a selector or a weighting."""
    kind, name = of
    part = {"kind": name, **PARAMETERS.get(of, {})}
    value = part if kind == "term" else {"kind": "contrastive", kind: part}
    made: Term = family("term").spec(value).build()
    return made


def members() -> list[tuple[str, str]]:
    """Family and name of all that is measured, plain SupCon first."""
    load_families()
    found = [(each, name) for each in FAMILIES for name in family(each).names()]
    wanted = [of for of in found if _is_own(of) and of != PLAIN]
    return [PLAIN, *wanted]


def _is_own(of: tuple[str, str]) -> bool:
    target: Any = family(of[0]).get(of[1]).target
    return str(target.__module__).startswith("supcon_ext")


def steps(scene: Scene, repeats: int, seconds: float) -> dict[tuple[str, str], Times]:
    """Times of a step with each part, in rounds."""
    passes: dict[str, Callable[[], object]] = {
        "/".join(BARE): Contender(scene, PLAIN).bare_step,
        **{"/".join(of): Contender(scene, of).step for of in members() if of not in ON_TOKENS},
    }
    timed = interleaved(passes, repeats, seconds, time.process_time)
    slow = {"/".join(of): Contender(scene, of).step for of in members() if of in ON_TOKENS}
    timed |= interleaved(slow, repeats, PATIENCE * seconds, time.process_time)
    return {tuple(name.split("/")): times for name, times in timed.items()}  # type: ignore[misc]


def refreshes(scene: Scene, repeats: int, seconds: float) -> Iterator[tuple[str, Times]]:
    """Times of a refresh of each selector, where it does anything."""
    for kind, name in members():
        if kind != "selector":
            continue
        selector = family(kind).spec({"kind": name, **PARAMETERS.get((kind, name), {})}).build()
        if ask(selector, scene.bank(EPOCH - 1), EPOCH - 1) is None:
            continue
        banks = iter([scene.bank(EPOCH + number) for number in range(repeats + 1)])
        yield (
            name,
            interleaved(
                {name: lambda: ask(selector, next(banks), EPOCH)},  # noqa: B023  (called in here)
                repeats,
                seconds,
            )[name],
        )


def write_files() -> None:
    """What members without defaults read, in the working directory."""
    captions = np.array([f"caption {number}" for number in range(CAPTIONS)])
    vectors = np.random.default_rng(0).normal(size=(CAPTIONS, 512)).astype(np.float32)
    np.savez("captions.npz", captions=captions, vectors=vectors)


def write_scores(count: int) -> None:
    """A score of each sample."""
    drawn = np.random.default_rng(0).random(count)
    rows = [f"{place},{value:.4f}" for place, value in enumerate(drawn)]
    Path("scores.csv").write_text("\n".join(["index,score", *rows]) + "\n")


def measured(sizes: Sizes, classes: list[int], repeats: int, seconds: float) -> dict[str, Any]:
    """The whole report; some files are written into the working directory."""
    torch.set_num_threads(1)
    write_files()
    write_scores(sizes.samples)
    before = load_average()
    results: list[dict[str, Any]] = []
    for number in classes:
        timed = steps(Scene(sizes, number), repeats, seconds)
        plain, bare = timed[PLAIN].median, timed[BARE].median
        results += [
            {
                "family": of[0],
                "name": of[1],
                "classes": number,
                "step": asdict(times),
                "added": times.median - _base(of, bare, plain),
            }
            for of, times in timed.items()
        ]
    scene = Scene(sizes, classes[0])
    refreshed = {name: asdict(times) for name, times in refreshes(scene, 3, seconds)}
    return {
        "machine": machine("cpu"),
        "versions": versions(),
        "load": [before, load_average()],
        "arguments": {**asdict(sizes), "views": VIEWS, "classes": classes, "repeats": repeats},
        "steps": results,
        "refreshes": refreshed,
        "on_tokens": {"/".join(of): f"{TRANSFORMER} at {sizes.side} pixels" for of in ON_TOKENS},
    }


def _base(of: tuple[str, str], bare: float, plain: float) -> float:
    """What a member adds to."""
    if of in ON_TOKENS:
        return 0.0
    return bare if of[0] in ("term", "network") else plain


@click.command()
@click.option("--repeats", default=15)
@click.option("--seconds", default=2.0, help="Spent on one part at most.")
@click.option("--out", type=click.Path(path_type=Path), default=COSTS)
def main(repeats: int, seconds: float, out: Path) -> None:
    """Measure, print, and write what the site shows."""
    with tempfile.TemporaryDirectory() as place:
        out = out.resolve()
        with _inside(place):
            report = measured(Sizes(), [10, 100], repeats, seconds)
    write_whole(out, json.dumps(report, indent=1) + "\n")
    console = Console()
    for row in report["steps"]:
        console.print(
            f"{row['family']} {row['name']}, {row['classes']} classes: "
            f"{1e3 * row['step']['median']:.1f} ms, {1e3 * row['added']:+.1f} ms"
        )
    for name, times in report["refreshes"].items():
        console.print(f"refresh of {name}: {times['median']:.2f} s")


def _inside(place: str) -> Any:
    import contextlib

    return contextlib.chdir(place)


if __name__ == "__main__":
    main()

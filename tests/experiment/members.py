"""Recipes in which every registered member of every family takes part, on very little data.

A new member is in them by itself. One that needs more than its defaults has a line in
``PARAMETERS``, and one that is more alive with other than its defaults may have one.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from data_tools.prepared import PreparedData
from data_tools.registry import family
from data_tools.synthetic_set import SyntheticSet
from data_tools.vector_rows import VectorRows, gather_vectors
from supcon_ext import Backbone, InputSpec, SampleSet, Splits, backbone, dataset
from supcon_ext.recipe.families import load_families
from supcon_ext.synthetic.source import SyntheticSource, synthetic_source

CLASSES, EACH, BATCH, EPOCHS = 4, 20, 24, 2

PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "selector": {
        "all_of": {"members": ["gmm", "confident_pairs"]},
        "any_of": {"members": ["aum", "similarity_top_k"]},
        "balance": {"inner": "elr_history"},
        "confident_pairs": {"neighbours": 10, "pair_threshold": "per_class"},
        "disagreement": {"per_class": True, "soft": True},
        "fine": {"from_kept": True},
        "gmm": {"history": 3},
        "offline_scores": {"path": "scores.csv"},
        "then": {"first": "forgetting", "second": {"kind": "confident_pairs", "neighbours": 5}},
        "wann": {"kmin": 3, "kmax": 9},
    },
    "weighting": {
        "balanced": {"hidden": 8},
        "deferred": {"weighting": "tsc", "start": 0.3},
        "prototype_softmax": {"hidden": 8},
        "tsc": {"start": 0.0},
    },
    "term": {
        "co_teaching": {"rate": 0.3, "ramp_epochs": 2},
        "contrastive": {"queue": 60, "mixup": 1.0, "positives_cap": 6},
        "cross_entropy": {"bootstrap": 0.5, "mixup": 0.2, "cutmix": 1.0, "prior": "trusted"},
        "image_text": {"vectors": "captions.npz"},
        "paco": {"queue": 60, "prior": "trusted"},
        "proco": {"prior": "trusted"},
        "sub_class_contrastive": {"warmup": 0, "recluster_every": 1, "size": 4},
    },
    "schedule": {"step": {"milestones": [1], "warmup_epochs": 1}},
    "policy": {"multi_crop_local": {"size": 8}},  # conv4 takes no smaller ones
    "sampler": {"captions": {"images": 3}, "with_synthetic": {"share": 0.25, "quota": "missing"}},
    "optimizer": {"sgd": {"lr": 0.02}, "lars": {"lr": 0.1}, "rmsprop": {"lr": 0.001}},
}
"""What members are given in place of their defaults."""

FAMILIES = tuple(PARAMETERS)

ASKING = ("ibot", "image_text")
"""Terms that ask for a transformer, which :func:`synclr` has, or for captions."""


@dataset("few_digits")
def few_digits() -> Splits:
    """A few handwritten digits, with a column of several labels each."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    rows = np.concatenate([np.flatnonzero(raw.target == c)[: EACH + 8] for c in range(CLASSES)])
    rows = rows.reshape(CLASSES, -1)
    images = np.round(raw.images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(str(digit) for digit in range(CLASSES))

    def part(index: np.ndarray) -> SampleSet:
        label = raw.target[index].astype(np.int64)
        labels = np.eye(CLASSES, dtype=np.float32)[label] + np.eye(CLASSES, dtype=np.float32)[1]
        columns = {"labels": labels.clip(0, 1)}
        return SampleSet(images[index], label, names, columns, InputSpec.of(images, flips=False))

    return Splits(part(rows[:, :EACH].ravel()), part(rows[:, EACH:].ravel()), truth_known=True)


@backbone("forgetful_pixels")
def forgetful_pixels(channels: int) -> Backbone:
    """A linear map with dropout, which draws from the global generator at every step."""
    layers = [nn.Flatten(), nn.Linear(64 * channels, 12), nn.Dropout(0.2), nn.BatchNorm1d(12)]
    return Backbone(nn.Sequential(*layers), 12)


@dataset("few_vectors")
def few_vectors() -> Splits:
    """The digits as vectors of two stored views, the second with a little noise."""
    drawn = np.random.default_rng(0)

    def part(images: SampleSet) -> SampleSet:
        flat = np.stack([images[i].reshape(-1) for i in range(len(images))]) / np.float32(255)
        other = flat + drawn.normal(0, 0.05, flat.shape).astype(np.float32)
        rows = VectorRows(np.stack([flat, other], axis=1))
        spec = InputSpec.of_vectors(flat.shape[1])
        return SampleSet(rows, images.label, images.classes, images.columns, spec)

    digits = few_digits()
    return Splits(part(digits.train), part(digits.test), truth_known=True)


@synthetic_source("few_made")
class FewMade(SyntheticSource):
    """Brighter digits of a parent and a caption each; the last of no known class, some doubtful."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        """A third as many as there are real ones."""
        train = real.train
        parent = np.arange(0, len(train), 3)
        if train.spec.kind == "vector":
            stored = gather_vectors(train.samples, parent, 0)[:, 0]
            samples: Any = VectorRows(stored + np.float32(0.1))
        else:
            samples = np.stack([train[place] // 2 + 100 for place in parent])
        label = train.label[parent].copy()
        label[-3:] = -1
        quality = np.where(np.arange(len(parent)) % 5, 1.0, 0.6)
        captions = [f"digit {number % 9}" for number in range(len(parent))]
        return SyntheticSet.of(
            samples,
            train.spec,
            train.classes,
            label=label,
            captions=captions,
            parent=parent,
            quality=quality,
        )


def members(of: str, kind: str | None = None) -> list[str]:
    """Names of a family's members, without those of other tests.

    Args:
        of: The family.
        kind: Of those alone that take such samples.
    """
    load_families()
    registry = family(of)
    own = ("supcon_ext.", "data_tools.", __name__)
    return [
        entry.name
        for entry in registry
        if entry.target.__module__.startswith(own) and (kind is None or kind in entry.takes)
    ]


def given(of: str, name: str) -> dict[str, Any]:
    """A member as a recipe names it.

    Raises:
        AssertionError: It needs more than its defaults, and the table does not say what.
    """
    parameters = PARAMETERS.get(of, {}).get(name, {})
    required = {
        key
        for key, field in family(of).get(name).parameters.model_fields.items()
        if field.is_required()
    }
    missing = required - parameters.keys()
    assert not missing, f"{of} `{name}` needs {sorted(missing)}: add a line to PARAMETERS"
    return {"kind": name, **parameters}


def stage(
    number: int,
    selector: str,
    weighting: str,
    term: str | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """One stage; every second has a queue, every third Mixup, every fourth new heads."""
    needs = family("selector").spec(given("selector", selector)).build().requires
    contrastive: dict[str, Any] = {
        "selector": given("selector", selector),
        "weighting": given("weighting", weighting),
        "queue": 60 if number % 2 else 0,
        "mixup": 1.0 if number % 3 == 2 else 0.0,
    }
    if term == "contrastive":
        contrastive |= PARAMETERS["term"]["contrastive"]
    objective: list[Any] = [{"contrastive": contrastive}]
    wanted = [term] if term not in (None, "contrastive") else []
    if "peer_logits" in needs and "co_teaching" not in wanted:
        wanted.append("co_teaching")
    if "elr" in wanted:
        wanted.append("cross_entropy")
    for name in wanted:
        parameters = given("term", name)
        objective.append({parameters.pop("kind"): parameters})
    return {
        "name": f"s{number}",
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "objective": objective,
        "reset": ["projector", "classifier"] if number % 4 == 3 else [],
        "clip_norm": 5.0,
        "drop_last": number % 5 != 4,
        **parts,
    }


def recipe(stages: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A recipe of these stages; with synthetic samples where a sampler needs them."""
    samplers = [stage["sampler"]["kind"] for stage in stages if "sampler" in stage]
    needed = {"captions", "with_synthetic"} & set(samplers)
    return {
        "name": "members",
        "plugins": [__name__],
        "data": {
            "dataset": "few_digits",
            "noise": {"kind": "symmetric", "rate": 0.3},
            "validation": 0,
            **({"synthetic": ["few_made"]} if needed else {}),
        },
        "model": {
            "backbone": {"kind": "conv4", "width": 2},
            "projector": {"hidden": 8, "dim": 8},
            "ema": 0.8,
        },
        "stages": stages,
        "evaluation": [],
        "validate_every": 0,
        "tracking": {"uri": "none"},
        **changes,
    }


def on_vectors(stages: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A recipe of stages that :func:`stage` made, on vectors: data set, backbone and views alone
    differ, and CutMix is left out.
    """
    kept = []
    for each in stages:
        objective = [
            {
                name: {k: v for k, v in given.items() if k != "cutmix"}
                for name, given in term.items()
            }
            for term in each["objective"]
        ]
        views = {"policy": "stored_view", "count": 2}
        kept.append({"views": views, **each, "objective": objective})
    made = recipe(kept, **changes)
    made["data"] = {**made["data"], "dataset": "few_vectors"}
    if "backbone" not in changes.get("model", {}):
        made["model"] = {**made["model"], "backbone": {"kind": "mlp", "dim": 12, "dropout": 0.2}}
    return made


def beside_synthetic(text: dict[str, Any]) -> dict[str, Any]:
    """The recipe with synthetic samples, which join each batch of every stage."""
    made = {**text, "data": {**text["data"], "synthetic": ["few_made"]}}
    sampler = {"kind": "with_synthetic", "share": 0.25, "only": "all"}
    made["stages"] = [{**each, "sampler": sampler} for each in text["stages"]]
    return made


def every_member(part: int, parts: int, kind: str = "image") -> dict[str, Any]:
    """One part of as many stages as the largest family has members; smaller ones come again."""
    names = {of: members(of, kind if of == "policy" else None) for of in FAMILIES}
    names["term"] = [name for name in names["term"] if name not in ASKING]
    length = max(len(each) for each in names.values())
    rows = {of: list(islice(cycle(each), length)) for of, each in names.items()}
    stages = []
    for number in range(part, length, parts):
        row = {of: rows[of][number] for of in FAMILIES}
        if number >= len(names["policy"]):
            row["policy"] = "none"  # the quickest
        made = {of: given(of, row[of]) for of in ("sampler", "optimizer", "schedule")}
        views = {"policy": given("policy", row["policy"]), "count": 2}
        chosen = row["selector"], row["weighting"], row["term"]
        stages.append(stage(number, *chosen, views=views, **made))
    return recipe(stages) if kind == "image" else on_vectors(stages)


def settings() -> list[dict[str, Any]]:
    """What a recipe says once: heads, backbone with dropout, evaluators, no EMA, validation."""
    evaluators = [given("evaluator", name) for name in members("evaluator")]
    first = stage(0, "confident_pairs", "balanced", "cross_entropy")
    second = stage(2, "aum", "tsc", "co_teaching")
    plain = {"hidden": 8, "dim": 8, "layers": 3, "batch_norm": False}
    small = {"hidden": 8, "dim": 8, "layers": 1}
    data = recipe([])["data"]
    return [
        recipe(
            [first, second],
            model={
                "backbone": "forgetful_pixels",
                "projector": plain,
                "classifier": {"kind": "cosine", "scale": 10},
            },
            evaluation=evaluators,
            validate_every=1,
            data={**data, "validation": 0.1},
        ),
        recipe(
            [second, first],
            model={"backbone": "forgetful_pixels", "projector": small, "ema": 0.5},
        ),
    ]


def synclr() -> dict[str, Any]:
    """SynCLR whole, on a transformer that a second can train: teacher, crops, iBOT, schedules."""
    ibot = {"views": "global", "warmup_epochs": 1, "cls_weight": 0.5}
    contrast = {
        "views": "global",
        "local_views": "local",
        "query": "predictor",
        "selector": given("selector", "confident_pairs"),
        "weighting": given("weighting", "balanced"),
    }
    views = [
        {"name": "global", "policy": "multi_crop_global", "count": 2},
        {"name": "local", "policy": "multi_crop_local", "count": 2},
    ]
    plain = stage(0, "label", "uniform")
    stages = [
        {
            **plain,
            "name": name,
            "views": views,
            "objective": [
                {"teacher_contrast": contrast},
                {"ibot": {**ibot, "assignment": assignment, "mask": mask}},
            ],
            "optimizer": {"kind": "adamw", "weight_decay": 0.04},
            "weight_decay_end": 0.2,
        }
        for name, assignment, mask in (("a", "centring", "random"), ("b", "sinkhorn", "block"))
    ]
    small = {"kind": "layer_norm_mlp", "hidden": 8, "dim": 8}
    dino = {"prototypes": 12, "hidden": 8, "bottleneck": 4}
    return recipe(
        stages,
        model={
            "backbone": {
                "kind": "vit_small_images",
                "image_size": 8,
                "patch": 2,
                "dim": 8,
                "depth": 2,
                "heads": 2,
                "drop_path": 0.3,
            },
            "projector": small,
            "predictor": {**small, "layers": 2},
            "patch_head": dino,
            "cls_head": dino,
            "ema": 0.9,
            "ema_end": 1.0,
        },
    )


def product() -> list[tuple[str, list[dict[str, Any]]]]:
    """Every selector with every weighting: a chain of stages a weighting."""
    chains = []
    for weighting in members("weighting"):
        stages = []
        for number, selector in enumerate(members("selector")):
            made = family("selector").spec(given("selector", selector)).build()
            wanted = family("weighting").spec(given("weighting", weighting)).build()
            if wanted.requires <= made.provides:
                stages.append(stage(number, selector, weighting))
        chains.append((weighting, stages))
    return chains


def compared(part: int, parts: int) -> dict[str, Any]:
    """:func:`every_member`, with the file that it needs in the present folder."""
    write_scores(Path())
    return every_member(part, parts)


def write_scores(place: Path) -> None:
    """The file that `offline_scores` reads, and the one of `image_text`."""
    texts = [f"caption {number}" for number in range(6)]
    x = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    np.savez(place / "captions.npz", captions=texts, vectors=x)
    lines = [f"{index},{index * 37 % 100 / 100}" for index in range(CLASSES * EACH)]
    (place / "scores.csv").write_text("index,score\n" + "\n".join(lines) + "\n")


def go(text: dict[str, Any], folder: str, what: str = "", at: int = 0) -> int:
    """Run a recipe, or go on with it; in a fresh process.

    Args:
        text: The recipe.
        folder: The run's folder, new or not.
        what: ``term`` or ``kill`` after step ``at``, ``kill_saved`` after the checkpoint there.
        at: Steps of the run.
    """
    from supcon_ext.experiment import report, resume, run
    from supcon_ext.experiment.selection_watch import SelectionWatch
    from supcon_ext.interrupt import Interrupted
    from supcon_ext.recipe import parse_recipe
    from supcon_ext.training import loop
    from supcon_ext.weightings import tsc

    tsc.STEPS = 20  # of a search that takes a second and has no state
    report._draw = lambda *args: []  # type: ignore[assignment]
    SelectionWatch.draw = lambda self: []  # type: ignore[method-assign]
    report.export_encoder = lambda *a, **k: _written(*a)  # type: ignore[assignment]
    step, save = loop.Trainer._step, loop.Trainer.save

    def stepping(self: Any, *args: Any) -> Any:
        made = step(self, *args)
        if self.at.global_step + 1 == at and what in ("term", "kill"):
            os.kill(os.getpid(), signal.SIGTERM if what == "term" else signal.SIGKILL)
        return made

    def saving(self: Any) -> None:
        save(self)
        if self.at.global_step == at and what == "kill_saved":
            os.kill(os.getpid(), signal.SIGKILL)

    loop.Trainer._step = stepping  # type: ignore[method-assign]
    loop.Trainer.save = saving  # type: ignore[method-assign]
    torch.set_num_threads(1)
    try:
        if (Path(folder) / "recipe.yaml").is_file():
            resume(folder)
        else:
            run(parse_recipe(text), folder=Path(folder))
    except Interrupted:
        return 143
    return 0


def _written(encoder: Any, shape: tuple[int, ...], path: Path) -> Any:
    """Stands for the export of an encoder, which takes longer than all the training here."""
    from supcon_ext.tracking.encoder_file import EncoderFile

    path.write_bytes(b"")
    return EncoderFile(path, (-1, *shape), (-1, 1), "float32", torch.__version__)


if __name__ == "__main__":
    sys.exit("Try: python -m pytest tests/experiment/test_every_member_resumes.py")

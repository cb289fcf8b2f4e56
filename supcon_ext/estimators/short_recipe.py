"""The recipe of an estimator: a short one of its own, or anybody's, with its arguments put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supcon_ext.recipe.load import load_recipe, parse_recipe
from supcon_ext.recipe.resolved import resolve
from supcon_ext.recipe.schema import Recipe

BATCH = 128
EPOCHS = 30
CONTRASTIVE = ("contrastive", "similarity", "sub_class_contrastive", "teacher_contrast")


def recipe_for(
    vectors: bool,
    samples: int,
    *,
    recipe: str | Path | Mapping[str, Any] | None,
    overrides: Sequence[str],
    selector: str | Mapping[str, Any] | None,
    weighting: str | Mapping[str, Any] | None,
    epochs: int | None,
    seed: int,
    measured: bool,
) -> Recipe:
    """What is trained.

    Args:
        vectors: Whether the samples are vectors; else they are pictures.
        samples: How many there are; batches are no larger.
        recipe: Name, file or mapping; None takes the short one.
        overrides: Texts ``a.b.c=value`` over all else.
        selector: Of every contrastive term; None leaves the recipe's.
        weighting: Likewise.
        epochs: Of the last stage; None leaves the recipe's.
        seed: Of the run.
        measured: Whether the recipe's evaluators are kept.

    Raises:
        ValueError: The recipe is wrong, or has no term for a selector or weighting.
    """
    if recipe is None:
        values = short(vectors, EPOCHS if epochs is None else epochs)
    elif isinstance(recipe, Mapping):
        values = resolve(parse_recipe(recipe))
    else:
        values = resolve(load_recipe(recipe))
    values["seed"] = seed
    if not measured:
        values["evaluation"] = []
    parts = {"selector": selector, "weighting": weighting}
    for name, value in parts.items():
        if value is not None:
            _put(values, name, value)
    if epochs is not None:
        values["stages"][-1]["epochs"] = epochs
    for stage in values["stages"]:
        stage["batch_size"] = min(stage.get("batch_size", BATCH), samples)
    values["data"] = _as_given(values["data"])
    return parse_recipe(values, overrides)


def short(vectors: bool, epochs: int) -> dict[str, Any]:
    """SupCon and cross-entropy together, in one stage, on a small network.

    A fifth of the epochs pass before a selector is asked: a network that has seen nothing tells
    right labels from wrong ones by chance alone.
    """
    mlp = {"kind": "mlp", "hidden": [128], "dim": 64}
    stage = {
        "name": "train",
        "epochs": epochs,
        "batch_size": BATCH,
        "views": {"policy": "gaussian_noise" if vectors else "simaugment", "count": 2},
        "objective": [
            {"contrastive": {"diagnostics": False, "refresh_from": epochs // 5}},
            {"cross_entropy": {"samples": "confident"}},
        ],
        "optimizer": {"kind": "adamw", "lr": 0.003},
        "schedule": {"kind": "cosine"},
    }
    return {
        "name": "estimator",
        "data": {},
        "model": {
            "backbone": mlp if vectors else {"kind": "resnet18_small"},
            "projector": {"hidden": 64, "dim": 32},
        },
        "stages": [stage],
        "tracking": {"uri": "none"},
    }


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    """Give a part to every contrastive term."""
    if not isinstance(value, (str, Mapping)):
        raise ValueError(
            f"Expected a name or a mapping with `kind` of argument `{name}`, but got "
            f"{type(value).__name__}. Try: '{'gmm' if name == 'selector' else 'balanced'}'"
        )
    found = 0
    for stage in values["stages"]:
        for number, term in enumerate(stage["objective"]):
            settings = {term: {}} if isinstance(term, str) else dict(term)
            for kind in settings:
                if kind in CONTRASTIVE:
                    settings[kind] = {**settings[kind], name: value}
                    found += 1
            stage["objective"][number] = settings
    if not found:
        raise ValueError(
            f"Expected a recipe with a contrastive term for argument `{name}`, but got none. "
            f"Try: {name}=None"
        )


def _as_given(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of a recipe's data, how samples are read; what it does to labels and counts is left out."""
    kept = {name: data[name] for name in ("image_size", "mean", "std") if name in data}
    settings: Mapping[str, Any] = data.get("dataset", {})
    if settings.get("kind") != "from_python":
        settings = {"kind": "from_python"}
    checks = {"validation": 0, "empty_classes": "keep", "duplicates": "ignore"}
    return {**kept, **checks, "dataset": {**settings, "digest": None}}

"""The hash: what decides a result changes it, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from supcon_ext.recipe import parse_recipe, recipe_hash

RECIPE: dict[str, Any] = {
    "name": "a",
    "stages": [
        {
            "name": "one",
            "epochs": 1,
            "objective": ["contrastive"],
            "optimizer": {"kind": "sgd", "lr": 0.1},
        }
    ],
}


def hashed(*overrides: str) -> str:
    return recipe_hash(parse_recipe(RECIPE, overrides))


def test_it_is_sha256() -> None:
    assert len(hashed()) == 64
    assert set(hashed()) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "override",
    [
        "name=b",
        "description=x",
        "tracking.uri=none",
        "tracking.folder=elsewhere",
        "compute.workers=3",
        "stages.one.batch_size=256",
        "stages.one.objective.contrastive.temperature=0.1",
        "stages.one.views={policy: {kind: simaugment}, count: 2}",
        "evaluation=[{kind: linear_probe}, knn]",
        "model.classifier=linear",
    ],
)
def test_what_decides_nothing_leaves_it(override: str) -> None:
    assert hashed(override) == hashed()


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "data.seed=1",
        "data.noise={kind: symmetric, rate: 0.1}",
        "stages.one.epochs=2",
        "stages.one.objective.contrastive.temperature=0.2",
        "stages.one.optimizer.lr=0.2",
        "stages.one.name=two",
        "compute.devices=2",
        "compute.precision=bf16-mixed",
        "evaluation=[knn, linear_probe]",
        "model.ema=0.9",
    ],
)
def test_what_decides_changes_it(override: str) -> None:
    assert hashed(override) != hashed()

"""Teacher, crops and masked tokens in recipes, as a user runs them; schedules of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from supcon_ext.experiment import run
from supcon_ext.models.ema import EMATwin
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.families import load_families
from supcon_ext.schedules.half_cosine import half_cosine
from supcon_ext.tracking.results import read_metrics
from supcon_ext.training.loop import Trainer
from tests.experiment.members import synclr
from tests.fresh import supcon

load_families()

VIEWS = [
    {"name": "global", "policy": "multi_crop_global", "count": 2},
    {"name": "local", "policy": {"kind": "multi_crop_local", "size": 8}, "count": 2},
]


def recipe(objective: list[Any], model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    stage = {
        "name": "train",
        "epochs": 2,
        "batch_size": 24,
        "views": VIEWS,
        "objective": objective,
        "optimizer": {"kind": "adamw", "lr": 0.002},
        **changes,
    }
    text = synclr()
    plain = {"backbone": {"kind": "conv4", "width": 2}, "projector": {"hidden": 8, "dim": 8}}
    return {**text, "model": {**plain, **model}, "stages": [stage]}


def went(text: dict[str, Any], place: Path) -> Any:
    file = place / "recipe.yaml"
    file.write_text(yaml.safe_dump(text))
    return supcon("run", str(file), cwd=place)


TEACHER = {"views": "global", "local_views": "local"}


@pytest.mark.parametrize("selector", ["label", "confident_pairs"])
def test_supcon_and_sel_cl_with_crops_and_a_teacher(selector: str, tmp_path: Path) -> None:
    text = recipe([{"teacher_contrast": {**TEACHER, "selector": selector}}], {"ema": 0.9})
    result = run(parse_recipe(text), folder=tmp_path / "run")
    metrics = read_metrics(result.folder)
    parts = ("loss", "teacher_contrast/global", "teacher_contrast/local")
    for (_, loss), (_, first), (_, second) in zip(
        *(metrics[f"train/{name}"] for name in parts), strict=True
    ):
        assert loss == pytest.approx(first + second, rel=1e-5)
        assert min(first, second) > 0
    assert ("train/teacher_contrast/lonely" in metrics) and ("selection/trusted" in metrics) == (
        selector == "confident_pairs"
    )


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no tokens": (
        recipe([{"ibot": {"views": "global"}}], {"ema": 0.9, "patch_head": {"prototypes": 8}}),
        ("hands out patch tokens", "model.patch_head", "Try: model.backbone=vit_small_images"),
    ),
    "no head": (
        recipe([{"ibot": {"views": "global"}}], {"ema": 0.9}),
        ("stages.0.objective.0.ibot", "Try: model.patch_head=dino"),
    ),
    "no teacher": (
        recipe([{"teacher_contrast": TEACHER}], {}),
        ("stages.0.objective.0.teacher_contrast", "model.ema"),
    ),
    "no predictor": (
        recipe([{"teacher_contrast": {**TEACHER, "query": "predictor"}}], {"ema": 0.9}),
        ("query", "model.predictor"),
    ),
    "another length": (
        recipe([{"teacher_contrast": TEACHER}], {"ema": 0.9, "predictor": {"dim": 5}}),
        ("Try: model.predictor.dim=8",),
    ),
    "a size too small": (
        recipe(
            [{"teacher_contrast": TEACHER}],
            {"ema": 0.9},
            views=[VIEWS[0], {"name": "local", "policy": {"kind": "multi_crop_local", "size": 4}}],
        ),
        ("a network that takes images of shape (1, 4, 4)", "`size` of the views' policy"),
    ),
    "an end without a start": (
        recipe([{"contrastive": {"views": "global"}}], {"ema_end": 1.0}),
        ("`ema_end` beside `ema` only",),
    ),
    "norms computed again": (
        recipe(
            [{"contrastive": {"views": "global"}}],
            {"norms_by_source": True, "checkpointing": True},
        ),
        ("`norms_by_source` or `checkpointing`",),
    ),
    "a head beside nothing": (
        recipe([{"contrastive": {"views": "global"}}], {"cls_head": {"kind": "dino"}}),
        ("`cls_head` beside `patch_head` only",),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_trained_is_told_before_the_start(case: str, tmp_path: Path) -> None:
    text, said = WRONG[case]
    done = went(text, tmp_path)
    told = done.stdout + done.stderr
    assert done.wait(100) == 2, told
    told = " ".join((done.stdout + done.stderr).split())
    assert all(part in told for part in said), told
    assert "Traceback" not in told
    assert not (tmp_path / "runs").exists()


def test_momentum_and_weight_decay_go_along_half_a_cosine_over_run_and_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[float] = []
    decays: list[dict[str, float]] = []
    update, step = EMATwin.update, Trainer._step

    def updating(self: EMATwin, network: Any, done: float = 0.0) -> None:
        progress.append(done)
        update(self, network, done)

    def stepping(self: Trainer, *args: Any) -> Any:
        made = step(self, *args)
        groups = self.running.optimizer.param_groups
        decays.append({group["name"]: group["weight_decay"] for group in groups})
        return made

    monkeypatch.setattr(EMATwin, "update", updating)
    monkeypatch.setattr(Trainer, "_step", stepping)
    torch.set_num_threads(1)
    run(parse_recipe(synclr()), folder=tmp_path / "run")
    steps = len(progress)
    assert steps == len(decays) == 12  # two stages of two epochs of three steps
    assert progress == pytest.approx([k / steps for k in range(steps)])
    for k, groups in enumerate(decays):
        assert groups["weights"] == pytest.approx(half_cosine(0.04, 0.2, k % 6 / 6))
        assert groups["norm_and_bias"] == 0
    assert half_cosine(0.04, 0.2, 1.0) == pytest.approx(0.2)
    assert half_cosine(1.0, 3.0, 0.5) == pytest.approx(2.0)

"""Experiments on vectors, from the command line to the last file: every part, or a refusal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from data_tools.vector_file import write_vectors
from supcon_ext.recipe import list_recipes
from supcon_ext.tracking.results import read_results, same_metrics
from tests.experiment import members
from tests.experiment.launched import torchrun
from tests.experiment.test_every_member_resumes import (
    PARTS,
    anywhere,
    chain,
    inside,
    place_of_scores,
    went,
)
from tests.fresh import supcon

__all__ = ["place_of_scores"]

LONG = pytest.mark.long
FEATURES = [each.name for each in list_recipes() if each.name.startswith("features/")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Four clusters of vectors, three stored views each."""
    drawn = np.random.default_rng(0)
    label = np.arange(200) % 4
    x = 2 * drawn.normal(size=(4, 1, 16))[label] + drawn.normal(size=(200, 3, 16))
    split = ["train"] * 140 + ["validation"] * 20 + ["test"] * 40
    path = tmp_path / "vectors.npz"
    meta = {"encoder": "timm:x"}
    write_vectors(
        path, x.astype(np.float16), label=label, classes=list("abcd"), split=split, meta=meta
    )
    return path


def recipe(file: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "vectors",
        "data": {"dataset": {"kind": "vectors", "file": str(file)}},
        "model": {"backbone": {"kind": "mlp", "dim": 8, "batch_norm": False}},
        "stages": [
            {
                "name": "train",
                "epochs": 2,
                "batch_size": 32,
                "views": {"policy": "gaussian_noise", "count": 2},
                "objective": [{"contrastive": {}}, "cross_entropy"],
            }
        ],
        "evaluation": ["classifier", "knn"],
        "tracking": {"uri": "none"},
        **changes,
    }


def put(folder: Path, text: dict[str, Any], name: str = "recipe.yaml") -> Path:
    (folder / name).write_text(yaml.safe_dump(text))
    return folder / name


@pytest.mark.parametrize("part", [0, *(pytest.param(n, marks=LONG) for n in range(1, PARTS))])
def test_every_member_of_every_family_runs_on_vectors(part: int, tmp_path: Path) -> None:
    text = members.every_member(part, PARTS, "vector")
    for stage in text["stages"]:
        stage["epochs"] = 1
    went(text, tmp_path / "run")


@pytest.mark.parametrize(
    "backbone",
    ["identity", pytest.param({"kind": "mlp", "hidden": [12], "dropout": 0.2}, marks=LONG)],
)
def test_every_evaluator_measures_vectors_stopped_or_not(backbone: Any, tmp_path: Path) -> None:
    evaluators = [members.given("evaluator", name) for name in members.members("evaluator")]
    stage = members.stage(0, "confident_pairs", "balanced", "cross_entropy")
    text = members.on_vectors(
        [stage],
        model={"backbone": backbone, "projector": {"hidden": 8, "dim": 8}, "ema": 0.8},
        evaluation=evaluators,
        validate_every=1,
    )
    text["data"]["validation"] = 0.2
    assert chain(text, tmp_path, lambda ends: anywhere(ends, 0)) == []


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_member_on_vectors_stopped_inside_an_epoch(part: int, tmp_path: Path) -> None:
    assert chain(members.every_member(part, PARTS, "vector"), tmp_path, inside) == []


@pytest.mark.long
@pytest.mark.parametrize("weighting", members.members("weighting"))
def test_every_selector_with_every_weighting_on_vectors(weighting: str, tmp_path: Path) -> None:
    stages = dict(members.product())[weighting]
    went(members.on_vectors(stages), tmp_path / "run")


def test_mapped_vectors_give_the_numbers_of_those_in_memory(file: Path, tmp_path: Path) -> None:
    runs = []
    for above in (0, 256):
        text = recipe(file)
        text["data"]["dataset"]["map_above_mb"] = above
        runs.append(tmp_path / f"run{above}")
        went(text, runs[-1])
    assert same_metrics(*runs) == []


def test_two_processes_record_the_numbers_of_one(file: Path, tmp_path: Path) -> None:
    text = recipe(file)
    text["model"]["projector"] = {"batch_norm": False}
    put(tmp_path, text)
    found = []
    for world in (1, 2):
        folder = f"tracking.folder=runs{world}"
        devices = f"compute.devices={world}"
        done = torchrun(
            world, "run", "recipe.yaml", folder, devices, "compute.accelerator=cpu", cwd=tmp_path
        )
        assert not any(each.wait() for each in done), done[0].stderr
        (run,) = (tmp_path / f"runs{world}").iterdir()
        found.append(read_results(run)["last"]["test"])
    for evaluator, metrics in found[0].items():
        assert found[1][evaluator] == pytest.approx(metrics, abs=1e-3)


WRONG = {
    "stages.train.views.policy=weak": "a policy for vectors.* Try: gaussian_noise, interpolate",
    "stages.train.views.policy=simaugment": "policy `simaugment`, which takes images",
    "model.backbone=conv4": "a backbone for vectors.* Try: identity, mlp",
    "model.backbone={kind: timm, name: resnet18}": "backbone `timm`, which takes images",
    "data.image_size=32": "no data.image_size on vectors",
    "data.mean=[0.5]": "no data.mean on vectors",
    "stages.train.objective.cross_entropy.cutmix=1.0": "no `cutmix` in cross_entropy",
    "data.dataset.expect_encoder=timm:y": "encoder 'timm:y'.* names 'timm:x'",
    "data.dataset.file=other.npz": "other.npz does not exist",
    "data.dataset.file=cut.npz": "cut.npz",
    "data.dataset.test_file=narrow.npz": "16 coordinates in narrow.npz.* got 5",
    "data.noise={kind: instance_dependent, rate: 0.3, pixels: unit}": "`raw` or `normalized`",
    "data.noise={kind: open_set, rate: 0.3, foreign: digits}": "foreign samples with vectors of 16",
}


@pytest.mark.parametrize("change", WRONG)
def test_what_does_not_fit_is_refused_before_the_first_step(
    change: str, file: Path, tmp_path: Path
) -> None:
    put(tmp_path, recipe(file))
    (tmp_path / "cut.npz").write_bytes(file.read_bytes()[:3000])
    write_vectors(
        tmp_path / "narrow.npz",
        np.ones((4, 5), np.float32),
        label=np.arange(4),
        classes=list("abcd"),
        meta={"encoder": "timm:x"},
    )
    done = supcon("run", "recipe.yaml", change, cwd=tmp_path)
    shown = " ".join((done.stdout + done.stderr).split())
    assert done.wait() == 2 and "Traceback" not in shown
    assert re.search(WRONG[change], shown), shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "change", ["stages.train.views.policy=mask", "model.backbone=mlp", "model.backbone=identity"]
)
def test_parts_for_vectors_are_refused_on_images(change: str, tmp_path: Path) -> None:
    text = recipe(tmp_path / "x.npz", model={"backbone": "conv4"})
    text["data"] = {"dataset": {"kind": "digits", "size": 8}}
    text["stages"][0]["views"]["policy"] = "none"
    put(tmp_path, text)
    done = supcon("run", "recipe.yaml", change, cwd=tmp_path)
    shown = " ".join((done.stdout + done.stderr).split())
    assert done.wait() == 2 and "for images, which the data set holds" in shown
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "name", [n if "composed" in n else pytest.param(n, marks=LONG) for n in FEATURES]
)
def test_the_recipes_for_features_run_on_a_file(name: str, file: Path, tmp_path: Path) -> None:
    short = ["stages.0.epochs=1", "stages.0.batch_size=64", "tracking.uri=none"]
    if name.rpartition("/")[2] in ("selcl", "composed"):
        short += ["stages.1.epochs=1", "stages.1.batch_size=64"]
    done = supcon("run", name, f"data.dataset.file={file}", *short, cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    made = json.loads(str(np.load(run / "labels.npz")["settings"]))["made"]
    assert made["made_by"] == {"encoder": "timm:x"}  # who made the vectors is kept with the run


def test_a_report_on_a_file_of_vectors(file: Path, tmp_path: Path) -> None:
    put(tmp_path, recipe(file))
    done = supcon("validate", "--data", "recipe.yaml", cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert "16 coordinates, 3 views" in done.stdout and "timm:x" in done.stdout

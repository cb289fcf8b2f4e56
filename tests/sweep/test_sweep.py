"""Sweep files: what they expand to, what is wrong with them; sweeps that run and go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from supcon_ext.recipe import RecipeError
from supcon_ext.sweep import load_sweep, run_sweep
from supcon_ext.tracking.results import read_results
from supcon_ext.training.loop import Trainer
from tests.experiment.tiny import recipe


def stage(term: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": "train",
        "epochs": 1,
        "batch_size": 128,
        "objective": [term],
        "optimizer": {"kind": "sgd", "lr": 0.1},
        **changes,
    }


def sweep_file(folder: Path, **changes: Any) -> Path:
    base = recipe(stages=[stage("contrastive")], evaluation=["knn"])
    base.pop("name")
    base["tracking"] = {"uri": "none", "folder": str(folder / "runs")}
    values = {
        "name": "demo",
        "recipe": base,
        "grid": {
            "method": {
                "ce": {"stages": [stage("cross_entropy")], "evaluation": ["classifier"]},
                "supcon": None,
            },
            "data.noise.rate": [0.0, 0.5],
        },
        "seeds": [3, 4],
        "seed_keys": ["seed", "data.noise.seed"],
        **changes,
    }
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def test_a_grid_of_variants_values_and_seeds(tmp_path: Path) -> None:
    sweep = load_sweep(sweep_file(tmp_path))
    assert [child.name for child in sweep.children] == [
        f"{method}-{rate}-s{seed}"
        for method in ("ce", "supcon")
        for rate in ("0.0", "0.5")
        for seed in (3, 4)
    ]
    child = sweep.children[3]
    assert child.variant == {"method": "ce", "data.noise.rate": 0.5}
    assert child.recipe.seed == 4 and child.recipe.data.noise is not None
    assert child.recipe.data.noise.params["seed"] == 4
    assert child.recipe.data.noise.params["rate"] == 0.5
    assert child.recipe.stages[0].objective[0].kind == "cross_entropy"
    assert sweep.children[-1].recipe.stages[0].objective[0].kind == "contrastive"


def test_overrides_reach_every_run_and_seeds_the_sweep(tmp_path: Path) -> None:
    sweep = load_sweep(sweep_file(tmp_path), ["stages.train.epochs=7", "seeds=[9]"])
    assert len(sweep.children) == 4
    assert {child.recipe.stages[0].epochs for child in sweep.children} == {7}
    assert {child.seed for child in sweep.children} == {9}


def test_a_sweep_over_a_named_recipe(tmp_path: Path) -> None:
    base = recipe(stages=[stage("contrastive")], evaluation=["knn"])
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    path = sweep_file(tmp_path, recipe="base.yaml", grid={"model.ema": [None, 0.5]})
    assert [c.recipe.model.ema for c in load_sweep(path).children[::2]] == [None, 0.5]


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"grid": {"data.noise.rate": [0.1, 1.3]}}, ["rate", "1.3"]),
        ({"grid": {"method": {"a": {"stages": [{"nam": "x"}]}}}}, ["nam", "name"]),
        ({"grid": {"model.emma": [0.5]}}, ["emma", "ema"]),
        ({"seeds": []}, ["seeds"]),
        ({"sedes": [1]}, ["sedes"]),
    ],
)
def test_what_is_wrong_is_named_before_anything_runs(
    tmp_path: Path, changes: dict[str, Any], fragments: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_sweep(sweep_file(tmp_path, **changes))
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_the_line_of_a_variants_mistake(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, grid={"method": {"a": {"model": {"projector": {"hiden": 3}}}}})
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "hiden" in text)
    with pytest.raises(RecipeError) as caught:
        load_sweep(path)
    assert caught.value.problems[0].line == line


def test_a_sweep_runs_fails_in_part_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = load_sweep(sweep_file(tmp_path, seeds=[0]), ["data.noise.rate=0.2"])
    ran: list[str] = []
    fit = Trainer.fit

    def failing(self: Trainer, *arguments: Any) -> None:
        ran.append(self.settings.folder.parent.name)
        if ran[-1].startswith("supcon-0.5"):
            raise RuntimeError("out of memory")
        fit(self, *arguments)

    monkeypatch.setattr(Trainer, "fit", failing)
    result = run_sweep(sweep)
    assert result.failed == ["supcon-0.5-s0"] and len(ran) == 4
    assert "out of memory" in (result.folder / "supcon-0.5-s0" / "error.txt").read_text()
    assert result.comparison is not None and len(result.comparison.rows) == 6

    ran.clear()
    monkeypatch.setattr(Trainer, "fit", lambda self, *a: ran.append("x") or fit(self, *a))
    again = run_sweep(sweep)
    assert again.folder == result.folder and again.failed == [] and ran == ["x"]
    assert again.comparison is not None and len(again.comparison.rows) == 8
    table = json.loads((again.folder / "comparison.json").read_text())
    assert table["axes"] == ["method", "data.noise.rate"]
    child = read_results(again.folder / "ce-0.5-s0")
    assert child["headline"] == "classifier"
    fresh = run_sweep(load_sweep(sweep_file(tmp_path, seeds=[0], grid={"seed": [0]})), again=True)
    assert fresh.folder != again.folder

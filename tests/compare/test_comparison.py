"""Tables over seeds: exact means and spreads, what tells rows apart, what does not apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from supcon_ext.compare import Spread, compare, write_comparison


def make_run(folder: Path, seed: int, accuracy: float, *, best: bool = True, **keys: Any) -> Path:
    folder.mkdir(parents=True)
    recipe = {"name": folder.name, "seed": seed, "data": {"noise": {"rate": 0.4, "seed": seed}}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **keys}))
    probe = {"accuracy": accuracy, "balanced_accuracy": accuracy - 0.1, "accuracy_few": None}
    test = {"linear_probe": probe, "knn": {"accuracy": accuracy + 0.01}}
    results: dict[str, Any] = {
        "seed": seed,
        "headline": "linear_probe",
        "epochs": 3,
        "last": {"test": test, "validation": test},
    }
    if best:
        results["best"] = {"test": test}
        results["best_epoch"] = 2
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_spread_by_hand() -> None:
    spread = Spread.of([0.5, 0.7, 0.9])
    assert spread.mean == pytest.approx(0.7) and spread.std == pytest.approx(0.2)
    assert str(spread) == "0.7000 ± 0.2000"
    assert str(Spread.of([0.25])) == "0.2500"


def test_rows_are_told_apart_by_what_differs_beside_seeds(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"a{s}", s, 0.5 + s / 10, model="a") for s in range(3)]
    runs += [make_run(tmp_path / "b0", 0, 0.9, model="b")]
    found = compare(runs)
    assert found.axes == ("model",)
    last = [row for row in found.rows if row.network == "last"]
    assert [(row.variant["model"], row.seeds) for row in last] == [("a", (0, 1, 2)), ("b", (0,))]
    assert last[0].metrics["accuracy"].mean == pytest.approx(0.6)
    assert last[0].metrics["accuracy"].std == pytest.approx(0.1)
    assert last[0].metrics["knn accuracy"].mean == pytest.approx(0.61)
    assert "accuracy_few" not in last[0].metrics
    assert len(found.rows) == 4


def test_a_row_without_a_best_network_in_every_run_has_the_last_alone(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"r{s}", s, 0.5, best=s == 0) for s in range(2)]
    assert [row.network for row in compare(runs).rows] == ["last"]


def test_recipes_that_differ_in_much_are_told_apart_by_name(tmp_path: Path) -> None:
    keys = ("a", "b", "c", "d")
    runs = []
    for name in ("ce", "supcon"):
        for seed in range(2):
            folder = make_run(tmp_path / f"{name}{seed}", seed, 0.5, **dict.fromkeys(keys, name))
            text = (folder / "recipe.yaml").read_text()
            (folder / "recipe.yaml").write_text(
                text.replace(f"name: {name}{seed}", f"name: {name}")
            )
            runs.append(folder)
    found = compare(runs)
    assert found.axes == ("name",)
    assert [(r.variant["name"], len(r.seeds)) for r in found.rows[::2]] == [
        ("ce", 2),
        ("supcon", 2),
    ]


def test_by_names_the_keys(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"r{s}", s, 0.5, model="a", other=s) for s in range(2)]
    assert len([r for r in compare(runs, by=["model"]).rows if r.network == "last"]) == 1
    assert compare(runs).axes == ("other",)
    with pytest.raises(ValueError, match=r"model\.depth"):
        compare(runs, by=["model.depth"])


def test_a_sweeps_folder_stands_for_its_runs(tmp_path: Path) -> None:
    for number, method in enumerate(("ce", "supcon")):
        for seed in range(2):
            folder = make_run(tmp_path / f"{method}-s{seed}", seed, 0.5 + number / 10)
            place = {"variant": {"method": method}, "seed": seed}
            (folder / "variant.json").write_text(json.dumps(place))
    found = compare([tmp_path])
    assert found.axes == ("method",)
    assert [row.variant["method"] for row in found.rows] == ["ce", "ce", "supcon", "supcon"]


def test_written_tables_agree(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "runs" / f"r{s}", s, 0.5 + s / 10, model="a") for s in range(2)]
    found = compare(runs)
    paths = write_comparison(found, tmp_path / "out")
    assert [path.suffix for path in paths] == [".json", ".csv", ".md", ".png"]
    row = json.loads(paths[0].read_text())["rows"][0]
    assert row["metrics"]["accuracy"]["mean"] == pytest.approx(0.55)
    assert "0.5500 ± 0.0707" in paths[1].read_text()
    assert paths[2].read_text().splitlines()[0].startswith("| network | evaluator | n |")
    assert paths[3].read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_a_long_tail_in_one_run_puts_first_what_cannot_hide_a_lost_class(
    factor: float, tmp_path: Path
) -> None:
    folders = [make_run(tmp_path / f"r{s}", s, 0.5) for s in range(2)]
    path = folders[1] / "results.json"
    results = json.loads(path.read_text())
    results["imbalance_factor"] = {"train": factor, "test": 1.0}
    for network in ("last", "best"):
        results[network]["test"]["linear_probe"]["worst_class"] = 0.1
    path.write_text(json.dumps(results))
    found = compare(folders)
    expected = ["balanced_accuracy", "accuracy"]
    if factor == 1:
        expected.reverse()
    assert found.metrics == [*expected, "knn accuracy"]  # one run has no worst class
    assert found.columns == ["network", "evaluator", "n", *found.metrics]
    assert found.keys == ["network"]
    assert list(found.table()[0]) == found.columns
    head = found.markdown().splitlines()[0].strip("| ").split(" | ")
    assert head == found.columns


def test_unfinished_runs_and_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none"):
        compare([tmp_path])
    folder = make_run(tmp_path / "a", 0, 0.5)
    (folder / "results.json").unlink()
    with pytest.raises(ValueError, match="resume"):
        compare([folder])

"""Synthetic samples as a recipe names them: ``supcon validate --data`` and a run, from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from data_tools.prepared import PreparedData
from supcon_ext.cli import main
from supcon_ext.synthetic.defect import KINDS
from tests.fresh import supcon
from tests.synthetic.made_sets import OF_IMAGES, Listed, picture, real_data, write_picture
from tests.synthetic.test_defects import encoded, plant_all


@pytest.fixture(autouse=True)
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedData:
    monkeypatch.chdir(tmp_path)
    return real_data(tmp_path / "real")


def write_recipe(listed: Listed, **parameters: Any) -> str:
    """A recipe with the source that a listing is written for."""
    listed.source()
    folder = str(listed.folder)
    place = {
        "manifest": {"file": f"{folder}/m.csv"},
        "captions_csv": {"file": f"{folder}/c.csv", "roots": [folder]},
    }.get(listed.kind, {"root": folder})
    stage = {"name": "one", "epochs": 1, "batch_size": 8, "objective": ["contrastive"]}
    recipe = {
        "name": "mine",
        "data": {
            "dataset": {"kind": "image_folder", "root": "real"},
            "validation": 0.25,
            "synthetic": [{"kind": listed.kind, **place, **parameters}],
        },
        "model": {"backbone": {"kind": "conv4", "width": 4}, "projector": {"hidden": 8, "dim": 4}},
        "stages": [stage],
        "evaluation": ["knn"],
        "tracking": {"uri": "none"},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(recipe))
    return "mine.yaml"


def validate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["validate", *arguments])


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_validate_tells_of_good_ones(tmp_path: Path, kind: str) -> None:
    listed = Listed(kind, tmp_path / "made")
    write_picture(listed.place("again.png"), 0)
    name = write_recipe(listed)
    result = validate(name, "--data", "--synthetic-report", "page.html")
    assert result.exit_code == 0, result.output
    told = [
        line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if "synthetic " in line
    ]
    assert "7 samples, 7 without a fault" in told[0]
    assert f"{KINDS['duplicate'].words} (1), told: " in result.stdout
    assert f"all of it is in {tmp_path / 'page.html'}" in result.stdout
    report = json.loads(Path("page.json").read_text())["sources"][0]
    assert report["counts"]["duplicate"] == 1 and report["used"] == 7 and not report["refused"]
    assert "data:image/png;base64," in Path("page.html").read_text()
    found = json.loads(validate(name, "--data", "--json").stdout)["data"]["synthetic"]
    assert found[0]["defects"] == report["defects"]
    assert sorted(path.name for path in Path().glob("synthetic-report*")) == []


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_validate_tells_of_every_defect_at_once(
    tmp_path: Path, kind: str, real: PreparedData
) -> None:
    listed = Listed(kind, tmp_path / "made")
    expected = plant_all(listed, tmp_path, real)
    result = validate(write_recipe(listed), "--data")
    assert result.exit_code == 2 and result.stdout == "" and "Traceback" not in result.stderr
    told = json.loads(Path("synthetic-report.json").read_text())["sources"][0]
    assert set(told["counts"]) == expected
    refused = [each for each in expected if told["fates"][each] == "refused"]
    assert all(f"{KINDS[each].words} (" in result.stderr for each in refused)
    assert f"All of it is in {tmp_path / 'synthetic-report.html'}" in result.stderr


def test_what_goes_with_data(tmp_path: Path) -> None:
    name = write_recipe(Listed("class_folders", tmp_path / "made"))
    result = validate(name, "--synthetic-report", "page.html")
    assert result.exit_code == 2 and "--synthetic-report goes with --data" in result.stderr
    result = validate(name, "--data", "--synthetic-report", "page.json")
    assert result.exit_code == 2 and "ends in .html" in result.stderr


def test_a_run_keeps_the_report(tmp_path: Path) -> None:
    listed = Listed("manifest", tmp_path / "made")
    listed.place("black.png").write_bytes(encoded(picture(0) * 0))
    name = write_recipe(listed, bad="skip")
    done = supcon("run", name, cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert "black images (1), left out" in done.stderr
    (run,) = Path("runs").iterdir()
    report = json.loads((run / "synthetic-report.json").read_text())["sources"][0]
    assert report["used"] == 6 and report["counts"] == {"black": 1}
    assert "black.png" in (run / "synthetic-report.html").read_text()
    listed.place("missing.png")
    (tmp_path / "other").mkdir()
    refused = supcon("run", write_recipe(listed), cwd=tmp_path)
    assert refused.wait() == 2
    assert "missing.png: No such file or directory" in refused.stderr
    assert len(list(Path("runs").iterdir())) == 1


def test_filters_are_told_of(tmp_path: Path) -> None:
    listed = Listed("manifest", tmp_path / "made")
    listed.rows[0]["quality"] = "0.2"
    name = write_recipe(listed, filters=[{"kind": "readable"}])
    result = validate(name, "--data")
    assert result.exit_code == 0, result.output
    assert "6 of 6 synthetic samples kept" in result.stdout


def test_a_run_keeps_what_filters_did(tmp_path: Path) -> None:
    listed = Listed("manifest", tmp_path / "made")
    score = {"kind": "score_column", "column": "quality", "at_least": 0.5}
    listed.rows[0]["quality"] = "0.2"
    name = write_recipe(listed, filters=["readable", score])
    recipe = yaml.safe_load(Path(name).read_text())
    (filtered,) = recipe["data"]["synthetic"]
    unsifted = {key: value for key, value in filtered.items() if key != "filters"}
    recipe["data"]["synthetic"] = [unsifted, filtered]
    Path(name).write_text(yaml.safe_dump(recipe))
    done = supcon("run", name, cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    (run,) = Path("runs").iterdir()
    pages = sorted(path.name for path in run.glob("synthetic-*"))
    assert pages == [
        "synthetic-filters-1.html",
        "synthetic-filters-1.json",
        "synthetic-report.html",
        "synthetic-report.json",
    ]
    told = json.loads((run / "synthetic-filters-1.json").read_text())
    assert [(step["filter"], step["given"], step["kept"]) for step in told["steps"]] == [
        ("readable", 6, 6),
        ("score_column", 6, 5),
    ]
    sources = json.loads((run / "synthetic-report.json").read_text())["sources"]
    assert [each["filters"] for each in sources] == [None, told]
    page = (run / "synthetic-filters-1.html").read_text()
    assert page.count("<figure>") == 6 and "5 of 6 synthetic samples are kept" in page
    assert "5 of 6 synthetic samples kept" in (run / "synthetic-report.html").read_text()
    head = {line.split()[0]: line for line in done.stderr.splitlines() if line.startswith("  ")}
    assert f"{run}/synthetic-report.html" in head["synthetic"]
    assert "5 of 6" in head["filters"] and f"{run}/synthetic-filters-1.html" in head["filters"]
    for path in run.glob("synthetic-*"):
        path.unlink()
    (run / "results.json").unlink()
    again = supcon("resume", str(run), cwd=tmp_path)
    assert again.wait() == 0, again.stderr
    assert sorted(path.name for path in run.glob("synthetic-*")) == pages

"""``supcon audit``: from a recipe and from a run, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from supcon_ext import experiment
from supcon_ext.cli import main
from tests.audit.coloured import paint, recipe
from tests.cli.test_startup import HEAVY, loaded_by


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    dataset = {"kind": "image_folder", "root": "images", "test": 0.0}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe(dataset)))
    return tmp_path


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_from_a_recipe_to_corrected_labels_and_on(folder: Path) -> None:
    paint(folder / "images")
    result = supcon("audit", "mine.yaml", "stages.one.epochs=5")
    assert result.exit_code == 0, result.stderr
    (run,) = (folder / "runs").iterdir()
    found, after = result.stdout.splitlines()
    place = f"runs/{run.name}"
    assert found == (
        f"4 of 60 labels look wrong (6.7%); see {place}/audit/index.html and "
        f"{place}/audit/labels.csv"
    )
    assert after == f"next: look at the page, then supcon audit {place} --apply corrected.csv"
    assert "embedded in" in result.stderr

    same = supcon("audit", "mine.yaml", "stages.one.epochs=5")
    assert same.stdout == result.stdout
    assert same.stderr.startswith(f"This recipe has been run already: auditing {place}.\n")

    again = supcon("audit", run.name, "--apply", "corrected.csv", "--out", "seen", "--top", "2")
    assert again.exit_code == 0, again.stderr
    assert len(list((folder / "runs").iterdir())) == 1
    lines = again.stdout.splitlines()
    assert lines[0].endswith("see seen/index.html and seen/labels.csv")
    assert lines[1] == (
        "4 labels with a suggestion of confidence 0.8 or more are corrected in corrected.csv"
    )
    assert lines[2] == "class sizes: green 22 -> 20, red 18 -> 20"
    assert lines[3] == (
        f"next: supcon run {place}/recipe.yaml "
        "'data.dataset={kind: manifest, file: corrected.csv}'"
    )
    refused = supcon("audit", run.name, "--apply", "corrected.csv")
    assert refused.exit_code == 2 and "exists. Try: --force" in refused.stderr
    assert supcon("audit", run.name, "--apply", "corrected.csv", "--force").exit_code == 0

    clean = supcon(
        "audit", f"{place}/recipe.yaml", "data.dataset={kind: manifest, file: corrected.csv}"
    )
    assert clean.exit_code == 0, clean.stderr
    assert clean.stdout.startswith("0 of 60 labels look wrong (0.0%)")
    assert len(clean.stdout.splitlines()) == 1


def test_a_run_of_other_plug_ins_is_not_audited_in_their_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    plugin = folder / "audited_plugin.py"
    plugin.write_text("MARK = 1\n")
    paint(folder / "images")
    arguments = ("audit", "mine.yaml", "stages.one.epochs=1", "plugins=[audited_plugin]")
    assert supcon(*arguments).exit_code == 0
    assert "has been run already" in supcon(*arguments).stderr
    plugin.write_text("MARK = 2\n")
    assert "has been run already" not in supcon(*arguments).stderr
    assert len([path for path in (folder / "runs").iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "Expected a run's folder or name, but got `nothing`"),
        (("images",), "Try: supcon audit selcl/folder data.dataset.root=images"),
        (("unfinished",), "Try: supcon resume runs/unfinished"),
        (("unfinished", "seed=1"), "Expected no KEY=VALUE beside a run"),
        (("mine.yaml", "sed=1"), "Did you mean `seed`?"),
        (("sweep.yaml",), "is a sweep"),
        (("mine.yaml", "compute.devices=2"), "Expected a recipe for one device"),
        (("mine.yaml", "--apply", "x.txt"), "ends in .csv or .npz"),
        (("mine.yaml", "--scores", "none.csv"), "none.csv does not exist"),
        (("mine.yaml", "--decisions", "none.json"), "decisions, but none.json does not exist"),
        (("mine.yaml", "--decisions", "mine.yaml"), "in mine.yaml, but it is no JSON"),
        (("mine.yaml", "--split", "val"), "Invalid value for '--split'"),
        (("mine.yaml", "--top", "0"), "Invalid value for '--top'"),
        (("mine.yaml", "--min-confidence", "2"), "Invalid value for '--min-confidence'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_audited_is_said_before_anything_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("ran")

    monkeypatch.setattr(experiment, "run", never)
    (folder / "images").mkdir()
    (folder / "runs" / "unfinished").mkdir(parents=True)
    (folder / "runs" / "unfinished" / "recipe.yaml").write_text((folder / "mine.yaml").read_text())
    (folder / "sweep.yaml").write_text("name: s\nrecipe: {extends: mine}\ngrid: {seed: [0, 1]}\n")
    result = supcon("audit", *arguments)
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_help_loads_nothing_heavy() -> None:
    loaded, output = loaded_by("audit", "--help")
    assert not loaded & set(HEAVY)
    assert "--min-confidence" in output
    assert "\n  audit " in loaded_by("--help")[1]

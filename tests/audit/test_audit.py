"""The audit of finished runs: what it finds, what it writes, and what it never looks at."""

from __future__ import annotations

import base64
import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_tools.datasets.manifest import manifest
from data_tools.prepared import PreparedData, Truth
from data_tools.registry import family
from data_tools.thumbnails import data_uri
from supcon_ext.audit import AuditedSamples, AuditResult, audit
from supcon_ext.audit.correct import check_target
from supcon_ext.audit.outside_scores import outside_scores
from supcon_ext.audit.page import summarise
from supcon_ext.experiment import open as opened
from supcon_ext.experiment import run
from supcon_ext.experiment.build import build_data
from supcon_ext.experiment.open import open_run
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.recipe import parse_recipe
from tests.audit.coloured import COLOURS, paint, recipe

DIGITS = {
    "data": {
        "dataset": {"kind": "digits", "size": 8},
        "noise": {"kind": "symmetric", "rate": 0.3},
        "imbalance": {"kind": "exponential", "factor": 3},
        "validation": 0.1,
    }
}


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A finished run on a folder with 4 images of 60 misplaced."""
    folder = tmp_path_factory.mktemp("coloured")
    misplaced = paint(folder / "images")
    dataset = {"kind": "image_folder", "root": str(folder / "images"), "test": 0.0}
    run(parse_recipe(recipe(dataset)), folder=folder / "run")
    return folder, misplaced


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on digits of which 30 % are labelled wrong, with a selector."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    values = recipe({}, **DIGITS)
    stage = values["stages"][0]
    stage |= {"epochs": 1, "batch_size": 256}
    stage["objective"][0]["contrastive"]["selector"] = {"kind": "confident_pairs", "neighbours": 20}
    run(parse_recipe(values), folder=folder)
    return folder


def audited(folder: Path, **options: Any) -> AuditResult:
    return audit(open_run(folder), ConsoleProgress(), **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page_data(path: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_misplaced_images_come_first(coloured: tuple[Path, set[str]], tmp_path: Path) -> None:
    folder, misplaced = coloured
    result = audited(folder / "run", out=tmp_path)
    rows = rows_of(result.csv)
    assert len(rows) == result.count == 60
    assert {row["path"] for row in rows[:4]} == misplaced
    assert result.flagged == sum(row["flagged"] == "1" for row in rows) == 4
    for row in rows[:4]:
        true = Path(row["path"]).name.split("-")[0]
        assert row["suggested_name"] == true and row["given_name"] == Path(row["path"]).parent.name
        near = json.loads(row["neighbours"])
        assert len(near) == 5
        assert all(Path(path).parent.name != row["given_name"] for path in near)
    suspicion = [float(row["suspicion"]) for row in rows]
    assert suspicion == sorted(suspicion, reverse=True)
    assert {row["split"] for row in rows} == {"train", "validation"}
    assert "probability" in rows[0] and "trust" not in rows[0]


def test_the_page_holds_what_it_shows_and_loads_nothing(
    coloured: tuple[Path, set[str]], tmp_path: Path
) -> None:
    folder, misplaced = coloured
    result = audited(folder / "run", out=tmp_path, top=3)
    text = result.page.read_text("utf-8")
    assert "{{" not in text
    assert not re.search(r"""(src|href)\s*=\s*["']|https?://|@import|url\(""", text)
    assert (
        "The 3 most suspicious are here; 1 more, and all other samples, are in labels.csv" in text
    )
    data = page_data(result.page)
    assert data["classes"] == sorted(COLOURS)
    assert len(data["rows"]) == 3
    names = data["samples"]["name"]
    assert all(names[row["image"]] in misplaced for row in data["rows"])
    assert all(len(row["near"]) == len(row["agree"]) == 5 for row in data["rows"])
    places = {p for row in data["rows"] for p in (row["image"], *row["near"], *row["agree"])}
    assert places == set(range(len(data["images"])))
    head, _, picture = data["images"][0].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_names_are_never_markup(tmp_path: Path) -> None:
    odd = tmp_path / "a&b" / "<b>red{{data}}"
    paint(tmp_path / "a&b", per_class=12, wrong=1)
    (tmp_path / "a&b" / "red").rename(odd)
    dataset = {"kind": "image_folder", "root": str(tmp_path / "a&b"), "test": 0.0}
    run(parse_recipe(recipe(dataset)), folder=tmp_path / "<i>run")
    result = audited(tmp_path / "<i>run", top=50)
    text = result.page.read_text("utf-8")
    assert "<i>" not in text and "<b>" not in text
    assert "<title>Labels of &lt;i&gt;run</title>" in text
    assert text.count("</script>") == 2
    assert page_data(result.page)["classes"] == ["<b>red{{data}}", "blue", "green"]


def test_the_manifest_is_corrected_and_read_back(
    coloured: tuple[Path, set[str]], tmp_path: Path
) -> None:
    folder, _ = coloured
    target = folder / "corrected.csv"
    result = audited(folder / "run", out=tmp_path, apply=target, min_confidence=0.8)
    corrections = result.corrections
    assert corrections is not None and corrections.changed == 4
    assert rows_of(target)[0]["path"].startswith("images")  # below the manifest's folder
    source = manifest(file=str(target))
    assert source.validation is not None and len(source.train) + len(source.validation) == 60
    for part in (source.train, source.validation):
        for path, label in zip(part.columns["path"], part.label, strict=True):
            assert Path(path).name.split("-")[0] == part.classes[label]
    values = recipe({"kind": "digits"})
    corrected = parse_recipe(values, corrections.overrides).data.dataset
    assert corrected.kind == "manifest" and len(corrected.build().train) == len(source.train)
    assert corrected.params["outside"] is False

    apart = tmp_path / "corrected.csv"  # whose images lie elsewhere
    moved = audited(folder / "run", out=tmp_path, apply=apart, min_confidence=0.8).corrections
    assert moved is not None
    section = parse_recipe(values, moved.overrides).data
    assert section.dataset.params["outside"] is True
    assert len(build_data(section).train) > 0

    none = audited(folder / "run", out=tmp_path, apply=target, min_confidence=1.0).corrections
    assert none is not None and none.changed == 0
    assert all(Path(row["path"]).parent.name == row["label"] for row in rows_of(target))
    with pytest.raises(ValueError, match=r"manifest that ends in \.csv"):
        audited(folder / "run", out=tmp_path, apply=tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["corrected.csv", "corrected.npz"])
def test_labels_without_files_are_read_back_by_index(
    digits: Path, tmp_path: Path, name: str
) -> None:
    result = audited(digits, out=tmp_path, apply=tmp_path / name, min_confidence=0.5)
    corrections = result.corrections
    assert corrections is not None
    before = parse_recipe(recipe({}, **DIGITS))
    after = parse_recipe(recipe({}, **DIGITS), corrections.overrides)
    old, new = opened.build_data(before.data).labels, opened.build_data(after.data).labels
    assert np.array_equal(old.index, new.index)
    changed = np.flatnonzero(old.given != new.given)
    assert len(changed) == corrections.changed > 0
    taken = [row for row in rows_of(result.csv) if row["split"] != "test"]
    rows = {int(row["index"]): row for row in taken}
    for place in changed:
        row = rows[int(old.index[place])]
        assert row["flagged"] == "1" and float(row["confidence"]) >= 0.5
        assert int(row["given"]) == old.given[place] and int(row["suggested"]) == new.given[place]


def test_the_last_selection_is_a_column(digits: Path, tmp_path: Path) -> None:
    rows = rows_of(audited(digits, out=tmp_path).csv)
    assert "path" not in rows[0]
    assert {row["trust"] == "" for row in rows if row["split"] == "validation"} == {True}
    trust = {float(row["trust"]) for row in rows if row["split"] == "train"}
    assert trust == {0.0, 1.0}
    index = {int(row["index"]) for row in rows}
    assert {int(i) for row in rows for i in json.loads(row["neighbours"])} <= index


def hidden(data: PreparedData, made_up: bool) -> PreparedData:
    """The data as if true labels were not known, or were others."""
    count = len(data.train)
    held = 0 if data.validation is None else len(data.validation)
    truth = Truth(np.zeros(count, np.int64), np.zeros(held, np.int64)) if made_up else None
    labels = replace(data.labels, truth=np.zeros_like(data.labels.given) if made_up else None)
    return replace(data, truth=truth, clean_counts=None, transition=None, labels=labels)


@pytest.mark.parametrize("made_up", [False, True], ids=["unknown", "all zero"])
def test_true_labels_change_nothing(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_up: bool
) -> None:
    known = audited(digits, out=tmp_path / "known", apply=tmp_path / "known.npz")
    build = opened.build_data
    monkeypatch.setattr(opened, "build_data", lambda *a, **k: hidden(build(*a, **k), made_up))
    other = audited(digits, out=tmp_path / "other", apply=tmp_path / "other.npz")
    assert known.csv.read_bytes() == other.csv.read_bytes()
    assert known.page.read_bytes() == other.page.read_bytes()
    with np.load(tmp_path / "known.npz") as a, np.load(tmp_path / "other.npz") as b:
        assert a.files == b.files and "true" not in a.files
        assert all(np.array_equal(a[key], b[key]) for key in a.files)


def test_scores_of_another_tool_give_the_order(
    coloured: tuple[Path, set[str]], tmp_path: Path
) -> None:
    folder, _ = coloured
    run_ = open_run(folder / "run")
    score = np.linspace(0, 1, 60)
    np.savez(tmp_path / "s.npz", index=np.arange(60)[::-1], score=score[::-1])
    samples = AuditedSamples.of(run_.data)
    scores = outside_scores(tmp_path / "s.npz", samples)
    assert torch.equal(scores, torch.from_numpy(score)[torch.from_numpy(samples.index)])
    rows = rows_of(audit(run_, ConsoleProgress(), out=tmp_path, scores=scores).csv)
    assert [int(row["index"]) for row in rows] == list(range(60))
    assert rows[0]["suspicion"] == "1.0"
    np.savez(tmp_path / "s.npz", index=np.arange(59), score=score[:59])
    with pytest.raises(ValueError, match="1 have none, first index 59"):
        outside_scores(tmp_path / "s.npz", samples)
    np.savez(tmp_path / "s.npz", index=np.arange(60), score=score * 3)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        outside_scores(tmp_path / "s.npz", samples)


def test_a_manifest_with_splits_and_columns_of_its_own(tmp_path: Path) -> None:
    misplaced = paint(tmp_path / "images", per_class=12)
    files = sorted((tmp_path / "images").rglob("*.png"))
    lines = ["path,label,split,scanner"]
    for number, path in enumerate(files):
        split = "test" if number % 6 == 5 else "val" if number % 6 == 4 else "train"
        lines.append(f"{path.relative_to(tmp_path)},{path.parent.name},{split},s{number % 2}")
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    run(
        parse_recipe(recipe({"kind": "manifest", "file": str(tmp_path / "m.csv"), "flips": False})),
        folder=tmp_path / "run",
    )
    splits = ("train", "validation")
    result = audited(
        tmp_path / "run", apply=tmp_path / "new.csv", min_confidence=0.6, splits=splits
    )
    assert result.corrections is not None
    assert "flips: false" in result.corrections.overrides[0]
    old = {row["path"]: row for row in rows_of(tmp_path / "m.csv")}
    new = {row["path"]: row for row in rows_of(tmp_path / "new.csv")}
    assert {path: (r["split"], r["scanner"]) for path, r in old.items()} == {
        path: (r["split"], r["scanner"]) for path, r in new.items()
    }
    changed = {path for path in old if old[path]["label"] != new[path]["label"]}
    assert changed and {str(tmp_path / path) for path in changed} <= misplaced
    assert all(old[path]["split"] != "test" for path in changed)
    names = [row["path"] for row in rows_of(result.csv)]
    assert len(names) == sum(row["split"] != "test" for row in old.values())


def test_runs_that_cannot_be_audited(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="Expected a run's folder or name"):
        open_run(tmp_path / "nothing")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "recipe.yaml").write_text((digits / "recipe.yaml").read_text())
    with pytest.raises(ValueError, match="Expected a finished run"):
        open_run(unfinished)
    (unfinished / "results.json").write_text("{}")
    with pytest.raises(ValueError, match="Expected a checkpoint"):
        open_run(unfinished)
    build = opened.build_data

    def changed(section: Any, **settings: Any) -> PreparedData:
        data = build(section, **settings)
        return replace(data, labels=replace(data.labels, fingerprint="another"))

    monkeypatch.setattr(opened, "build_data", changed)
    with pytest.raises(ValueError, match="changed since"):
        open_run(digits)


def test_files_that_could_not_be_written(tmp_path: Path) -> None:
    plain = parse_recipe(recipe({"kind": "digits"}))
    there = tmp_path / "there.csv"
    there.touch()
    check_target(there, plain, force=True)
    check_target(tmp_path / "new.npz", plain, force=False)
    for path, message in (
        (there, "exists"),
        (tmp_path / "x.txt", "ends in .csv or .npz"),
        (tmp_path / "no" / "x.csv", "folder that exists"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            check_target(path, plain, force=False)
    noise = {"kind": "open_set", "rate": 0.2, "foreign": "digits"}
    other = parse_recipe(recipe({"kind": "digits"}), [f"data.noise={json.dumps(noise)}"])
    with pytest.raises(ValueError, match="open_set"):
        check_target(tmp_path / "x.csv", other, force=False)
    assert "open_set" in family("noise").names()


def test_small_pictures() -> None:
    large = data_uri(np.zeros((300, 200, 3), np.uint8))
    assert large.startswith("data:image/jpeg;base64,") and len(large) < 3000
    assert data_uri(np.zeros((8, 8, 1), np.uint8)).startswith("data:image/png;base64,")


def test_the_line_above_the_page() -> None:
    assert summarise(0, 0, 10, "x.csv") == (
        "0 of 10 labels look wrong. All samples are in x.csv, the most suspicious first."
    )
    assert summarise(1200, 500, 5000, "x.csv") == (
        "1,200 of 5,000 labels look wrong. The 500 most suspicious are here; 700 more, and all "
        "other samples, are in x.csv."
    )


def test_what_the_imbalance_drops_is_said(digits: Path, tmp_path: Path) -> None:
    result = audited(digits, out=tmp_path)
    data = open_run(digits).data
    assert data.test is not None and data.train.origin is not None
    dropped = data.train.origin.size - len(data.labels.index)
    assert dropped > 0
    assert result.left_out == [f"{dropped:,} that the recipe's imbalance drops"]
    assert result.count == len(data.labels.index) + len(data.test) == len(rows_of(result.csv))

"""`supcon filter`, as a user calls it: in a fresh process, on files."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from PIL import Image

from data_tools.tables import read_table
from supcon_ext.cli import main
from tests.fresh import Fresh, supcon
from tests.synthetic.made_sets import write_table

CLASSES = ("cat", "dog", "owl")
EACH = 12


def picture(shown: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 60, (16, 16, 3), dtype=np.uint8)
    noise[5 * shown : 5 * shown + 5] += 190
    return noise


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pictures, and made ones of which each third one shows another class."""
    top = tmp_path_factory.mktemp("filter")
    for split, count in (("train", 10), ("test", 4)):
        for number, name in enumerate(CLASSES):
            for k in range(count):
                save(
                    top / "real" / split / name / f"{k}.png",
                    picture(number, 1000 * (split == "test") + 100 * number + k),
                )
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(CLASSES):
        for k in range(EACH):
            shown = (number + 1) % 3 if k % 3 == 2 else number
            save(top / "made" / f"{name}{k:02}.png", picture(shown, 5000 + 100 * number + k))
            rows.append(
                {
                    "path": f"{name}{k:02}.png",
                    "caption": f"a {name}, {k // 6}",
                    "class": name,
                    "seed": f"{k:03}",
                    "clip": round(k / EACH, 3),
                }
            )
    save(top / "made" / "black.png", np.zeros((16, 16, 3), np.uint8))
    (top / "made" / "text.png").write_text("no picture")
    more = {"caption": "a cat, 0", "class": "cat", "seed": "x", "clip": 1}
    rows += [{"path": "black.png", **more}, {"path": "text.png", **more}]
    for suffix in (".csv", ".jsonl", ".parquet", ".tsv"):
        write_table(top / "made" / f"made{suffix}", rows)
    return top


def run(
    place: Path,
    *words: str,
    out: str = "made/good.csv",
    manifest: str = "made/made.csv",
    real: str = "real",
) -> Fresh:
    return supcon("filter", manifest, "--real", real, "-o", out, *words, cwd=place)


def by(*filters: str) -> list[str]:
    return [word for each in filters for word in ("--by", each)]


@pytest.mark.long
def test_a_chain_from_files_to_files(place: Path) -> None:
    done = run(place, *by("knn_agreement:k=5", "top_k:k=3"), "--page", "page.html")
    assert done.wait() == 0, done.stderr
    with (place / "made" / "good.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert list(kept[0]) == ["path", "caption", "class", "seed", "clip", "quality"]
    # of each caption's six, k = 2 and 5 show another class, and the fourth is one too many
    names = {row["path"] for row in kept}
    assert names == {f"{name}{k:02}.png" for name in CLASSES for k in (0, 1, 3, 6, 7, 9)}
    assert {row["seed"] for row in kept} == {"000", "001", "003", "006", "007", "009"}
    assert {row["quality"] for row in kept} == {"1.0"}
    with (place / "made" / "good-dropped.csv").open(newline="") as file:
        dropped = {row["path"]: row for row in csv.DictReader(file)}
    assert len(dropped) == 3 * EACH + 2 - 18 and not dropped.keys() & names
    assert dropped["black.png"]["dropped_for"] == "black images"
    assert dropped["text.png"]["dropped_by"] == "manifest"
    assert dropped["cat02.png"]["dropped_by"] == "knn_agreement"
    assert float(dropped["cat02.png"]["dropped_score"]) < 0.5
    assert dropped["cat04.png"]["dropped_for"] == "3 of its caption are better"
    report = json.loads((place / "made" / "good-report.json").read_text())
    assert (report["check"]["given"], report["given"], report["kept"]) == (38, 36, 18)
    assert report["check"]["reasons"].keys() == {
        "black images",
        "files that cannot be read as an image of this set",
    }
    assert [step["kept"] for step in report["steps"]] == [24, 18]
    f1 = [each["recognisability_given"] for each in report["measures"]["classes"]]
    assert f1 == pytest.approx([2 / 3] * 3, abs=1e-3)
    page = (place / "page.html").read_text()
    assert "18 of 38 synthetic samples are kept" in page and page.count("<figure>") == 36
    assert "wrote made/good.csv: 18 of 38 images (47.4%)" in done.stdout
    again = run(
        place, *by("knn_agreement:k=5", "top_k:k=3"), manifest="made/good.csv", out="made/again.csv"
    )
    assert again.wait() == 0 and "18 of 18 images" in again.stdout


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".tsv"])
def test_every_format_and_a_recipes_training_set(suffix: str, place: Path) -> None:
    out = f"of_{suffix[1:]}{suffix}"
    done = run(
        place,
        "data.dataset.root=real",
        *by("classifier_agreement:mode=quality", "score_column:column=clip,at_least=0.2"),
        manifest=f"made/made{suffix}",
        out=out,
        real="selcl/folder",
    )
    assert done.wait() == 0, done.stderr
    table = read_table(place / out)
    values = [float(cell) for cell in table.columns["quality"]]
    assert all(0 <= value <= 1 for value in values) and min(values) < 0.3 < 0.7 < max(values)
    assert all(float(cell) >= 0.2 for cell in table.columns["clip"])
    assert all((place / cell).is_file() for cell in table.columns["path"])
    assert set(table.columns["path"][0].split("/")[:1]) == {"made"}
    if suffix == ".parquet":
        assert str(pyarrow.parquet.read_schema(place / out).field("clip").type) == "double"


WRONG = [
    (["--by", "no_such"], "Expected the name of a synthetic_filter, but no synthetic_filter is"),
    (["--by", "top_k:k=0"], "k=0 (input should be greater than or equal to 1)"),
    (["--by", "top_k:many=3"], "`many`, which it has not. Try: k, by, mode"),
    (["--by", "score_column"], "no `column`; no `at_least`"),
    (["--by", "top_k:k"], "Expected NAME:parameter=value"),
    (["--by", "top_k:k=1,k=2"], "`k` once"),
    (["--by", "score_column:column=nice,at_least=0"], "a column `nice`"),
    (["--by", "score_column:column=path,at_least=0"], "numbers in column `path`"),
    (["--by", "score_column:column=clip,at_least=2"], "but 0 of 36 synthetic samples kept"),
    (["--by", "knn_agreement:encoder=timm:no_such_net"], "no_such_net"),
    (["--by", "centroid_distance:low=0.9,high=0.1"], "`low` below `high`"),
    (["--by", "readable", "--page", "no/page.html"], "a folder that exists"),
    (["--by", "readable", "--page", "out.csv"], "another page than the other files"),
    (["--by", "readable", "-o", "out.txt"], "of the manifest's format, .csv"),
    (["--by", "readable", "-o", "made/made.csv"], "another file to write to"),
    (["--by", "readable", "--real", "nowhere"], "nowhere"),
    (["--by", "readable", "seed=3"], "no KEY=VALUE beside real"),
    (["--by", "readable", "--plugin", "no_such_module"], "no_such_module"),
    (["--real", "real"], "--by"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_told_in_a_line_and_writes_nothing(
    words: list[str], message: str, place: Path
) -> None:
    before = sorted(place.rglob("*"))
    done = run(place, *words, out="out.csv")
    assert done.wait() == 2, done.stdout + done.stderr
    assert message in done.stderr.replace("\n", " ") and "Traceback" not in done.stderr
    assert sorted(place.rglob("*")) == before


def test_no_class_column_for_filters_of_classes(place: Path) -> None:
    write_table(place / "made" / "plain.csv", [{"path": "cat00.png", "caption": "a cat"}])
    for name in ("classifier_agreement", "knn_agreement", "centroid_distance"):
        done = run(place, "--by", name, manifest="made/plain.csv", out="out.csv")
        assert done.wait() == 2 and not (place / "out.csv").exists()
        assert f"a known class for synthetic_filter `{name}`" in done.stderr
        assert "Try: a column `class` in the manifest" in done.stderr


def test_a_file_that_exists_is_replaced_by_force_alone(place: Path) -> None:
    (place / "taken-dropped.csv").write_text("mine")
    done = run(place, "--by", "readable", out="taken.csv")
    assert done.wait() == 2 and "taken-dropped.csv exists. Try: --force" in done.stderr
    assert (place / "taken-dropped.csv").read_text() == "mine"
    assert run(place, "--by", "readable", "--force", out="taken.csv").wait() == 0
    assert (place / "taken-dropped.csv").read_text().startswith("path,")


def test_a_manifest_that_its_source_refuses(place: Path) -> None:
    rows = [
        {"path": "cat00.png", "class": "cat", "quality": 1.5},
        {"path": "cat01.png", "class": "cow", "quality": 1},
    ]
    write_table(place / "made" / "refused.csv", rows)
    done = run(place, "--by", "readable", manifest="made/refused.csv", out="out.csv")
    assert done.wait() == 2 and not (place / "out.csv").exists()
    assert "quality" in done.stderr and "line 2" in done.stderr


def test_a_missing_package_is_a_line_with_its_extra(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setitem(sys.modules, "imagehash", None)
    words = ["filter", "made/made.csv", "--by", "near_duplicates", "--real", "real", "-o", "x.csv"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2 and not (place / "x.csv").exists()
    assert 'Try: pip install "supcon-ext[filters]"' in done.output

"""A table of synthetic images: what its columns mean, in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_tools.prepared import PreparedData
from supcon_ext.synthetic.report import RefusedSourceError
from tests.synthetic.made_sets import picture, real_data, source, write_picture, write_table

TAKEN_OR_NOT = [
    ("train", ""),
    ("val", ""),
    ("test", "synthetic"),
    ("", "real"),
    ("", "synthetic"),
    ("validation", "real"),
]
FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


@pytest.fixture
def real(tmp_path: Path) -> PreparedData:
    return real_data(tmp_path / "real")


def rows(folder: Path, count: int = 6) -> list[dict[str, Any]]:
    names = [write_picture(folder / f"{n}.png", n).name for n in range(count)]
    return [{"path": name} for name in names]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_column_in_every_format(tmp_path: Path, real: PreparedData, suffix: str) -> None:
    folder = tmp_path / "made"
    listed = rows(folder)
    place = int(np.flatnonzero(real.train.label == 1)[0])
    parent = Path(real.train.columns["path"][place]).relative_to(tmp_path / "real")
    for number, row in enumerate(listed):
        row |= {
            "caption": ["A  dog", "a dog", "a CAT"][number % 3],
            "class": ["dog", "dog", ""][number % 3],
            "parent_id": [str(parent), "-1", ""][number % 3],
            "quality": number / 8,
            "seed": 10 + number,
            "generator": "toy",
        }
    made = source("manifest", file=str(write_table(folder / f"m{suffix}", listed))).make(real, 0)
    assert [made[i].tolist() for i in range(6)] == [picture(i).tolist() for i in range(6)]
    assert made.captions == ("a cat", "a dog") and made.caption.tolist() == [1, 1, 0, 1, 1, 0]
    assert made.label.tolist() == [1, 1, -1] * 2 and made.parent.tolist() == [place, -1, -1] * 2
    assert made.quality.tolist() == [0, 0.125, 0.25, 0.375, 0.5, 0.625]
    assert made.columns["seed"].tolist() == [10, 11, 12, 13, 14, 15]
    assert set(made.columns) == {"path", "seed", "generator"}
    assert made.spec.channels == 3 and made.classes == real.train.classes


def test_ids_stand_for_captions_without_a_text(tmp_path: Path, real: PreparedData) -> None:
    listed = rows(tmp_path / "made")
    for row, (number, text) in zip(
        listed, [(7, "One"), (7, ""), (8, ""), (9, "two"), (8, ""), (10, "TWO")], strict=True
    ):
        row |= {"caption_id": number, "caption": text}
    made, report = source(
        "manifest", file=str(write_table(tmp_path / "made" / "m.csv", listed))
    ).inspect(real, 0)
    assert made is not None
    assert [made.captions[c] for c in made.caption] == ["one", "one", "8", "two", "8", "two"]
    (merged,) = report.of("merged")
    assert "line 5 of" in merged.where and "`two`, again in line 7 of" in merged.what


def test_a_caption_id_of_two_texts_is_refused(tmp_path: Path, real: PreparedData) -> None:
    listed = rows(tmp_path / "made", 3)
    for row, text in zip(listed, ("one", "ONE ", "two"), strict=True):
        row |= {"caption_id": 7, "caption": text}
    file = write_table(tmp_path / "made" / "m.csv", listed)
    with pytest.raises(RefusedSourceError) as caught:
        source("manifest", file=str(file)).make(real, 0)
    assert f"line 4 of {file}: caption_id 7 is `two`, and `one` in line 2 of" in str(caught.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_only_synthetic_training_rows_are_taken(
    tmp_path: Path, real: PreparedData, suffix: str
) -> None:
    listed = rows(tmp_path / "made")
    for row, (split, domain) in zip(
        listed,
        TAKEN_OR_NOT,
        strict=True,
    ):
        row |= {"caption": "one", "split": split, "domain": domain}
    file = write_table(tmp_path / "made" / f"m{suffix}", listed)
    made, report = source("manifest", file=str(file)).inspect(real, 0)
    assert made is not None and len(made) == 2
    assert np.array_equal(made[1], picture(4))
    assert len(report.of("other_row")) == 4
    listed[0]["split"] = "training"
    listed[1]["domain"] = "fake"
    listed[1]["split"] = ""
    write_table(file, listed)
    with pytest.raises(RefusedSourceError) as caught:
        source("manifest", file=str(file)).make(real, 0)
    assert "split is `training`, none of train, val, validation, test" in str(caught.value)
    assert "domain is `fake`, none of synthetic, real" in str(caught.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_makes_no_manifest(tmp_path: Path, real: PreparedData, suffix: str) -> None:
    file = tmp_path / f"m{suffix}"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        source("manifest", file=str(file)).make(real, 0)
    write_table(file, [{"caption": "a"}])
    with pytest.raises(ValueError, match="Expected a column `path`"):
        source("manifest", file=str(file)).make(real, 0)
    write_table(file, [{"path": "a.png", "quality": 1}])
    with pytest.raises(ValueError, match="caption_id, caption, class or parent_id beside `path`"):
        source("manifest", file=str(file)).make(real, 0)


def test_a_root_of_its_own(tmp_path: Path, real: PreparedData) -> None:
    listed = [{**row, "class": "cat"} for row in rows(tmp_path / "elsewhere" / "deep")]
    file = write_table(tmp_path / "m.csv", listed)
    made = source("manifest", file=str(file), root=str(tmp_path / "elsewhere" / "deep"))
    assert len(made.make(real, 0)) == 6
    with pytest.raises(RefusedSourceError, match=r"files that are not there \(6\), refused"):
        source("manifest", file=str(file)).make(real, 0)

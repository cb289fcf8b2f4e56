import numpy as np
import pandas as pd
import pytest

from data_tools.datasets.manifest import manifest
from tests.data_tools.toy import write_png


@pytest.fixture()
def table(tmp_path) -> pd.DataFrame:
    for i in range(8):
        write_png(tmp_path / "pictures" / f"{i}.png", i)
    return pd.DataFrame(
        {
            "path": [f"pictures/{i}.png" for i in range(8)],
            "label": ["dog", "cat"] * 4,
            "split": ["train"] * 5 + ["val", "test", "test"],
            "scanner": ["x", "y", "x", "y", "z", "x", "y", "z"],
            "age": [1.5, 2, 3, 4, 5, 6, 7, 8],
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same(tmp_path, table: pd.DataFrame, suffix: str) -> None:
    path = tmp_path / f"table.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    source = manifest(file=str(path))
    assert source.train.classes == ("cat", "dog")
    assert source.train.label.tolist() == [1, 0, 1, 0, 1]
    assert (len(source.validation), len(source.test)) == (1, 2)
    assert source.train.columns["scanner"].tolist() == ["x", "y", "x", "y", "z"]
    assert source.test.columns["age"].tolist() == [7, 8]
    assert source.test.columns["age"].dtype == np.float64
    assert set(source.train.columns) == {"scanner", "age", "path"}
    assert source.test.samples[1][0, 0, 0] == 7
    assert source.train.columns["path"][2] == str(tmp_path / "pictures" / "2.png")


def test_integer_labels_are_sorted_by_value(tmp_path, table: pd.DataFrame) -> None:
    path = tmp_path / "table.csv"
    table.assign(label=[10, 2, 30, 2, 10, 2, 30, 30]).to_csv(path, index=False)
    source = manifest(file=str(path))
    assert source.train.classes == ("2", "10", "30")
    assert source.train.label.tolist() == [1, 0, 2, 0, 1]


def test_labels_called_none_or_na_are_names(tmp_path, table: pd.DataFrame) -> None:
    path = tmp_path / "table.csv"
    table.assign(label=["None", "NA"] * 4).to_csv(path, index=False)
    assert manifest(file=str(path)).train.classes == ("NA", "None")


def test_root_and_no_split(tmp_path, table: pd.DataFrame) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "table.csv"
    table.drop(columns="split").to_csv(path, index=False)
    source = manifest(file=str(path), root=str(tmp_path), mode="grey", clean=True)
    assert len(source.train) == 8 and source.test is None and source.truth_known
    assert source.train.samples[0].shape == (4, 6, 1)
    with pytest.raises(FileNotFoundError, match=r"8 image files.*8 do not exist, first"):
        manifest(file=str(path))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"path": None}, "a column `path`"),
        ({"label": None}, "a column `label`"),
        ({"label": ["dog", ""] * 4}, "label in every row.*4 of 8 have none, first in line 3"),
        ({"split": ["train", "tset"] * 4}, "train, val or test .* line 3 .*'tset'"),
        ({"split": ["test"] * 8}, "a row with split `train`"),
    ],
)
def test_bad_tables_are_refused(tmp_path, table: pd.DataFrame, change, match: str) -> None:
    (name, value) = next(iter(change.items()))
    changed = table.drop(columns=name) if value is None else table.assign(**change)
    changed.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(ValueError, match=match):
        manifest(file=str(tmp_path / "table.csv"))


def test_tables_of_another_kind(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"argument `file`"):
        manifest(file=str(tmp_path / "none.csv"))
    (tmp_path / "table.jsonl").write_text('{"path": "a.png", "label": 1}\n{path}\n')
    with pytest.raises(ValueError, match=r"JSON object in line 2"):
        manifest(file=str(tmp_path / "table.jsonl"))
    (tmp_path / "table.xml").write_text("<a/>")
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.jsonl or \.parquet"):
        manifest(file=str(tmp_path / "table.xml"))

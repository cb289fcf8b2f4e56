"""Tables as they stand: what each malformed one gets, and what is read of the others."""

import csv
import io
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from data_tools.class_names import is_whole_number, numbered
from data_tools.datasets.manifest import manifest
from data_tools.noise.from_file import from_file as labels_from_file
from data_tools.tables import read_table
from supcon_ext.selectors.offline_scores import read_scores
from tests.data_tools.toy import balanced, write_png

HEAD = b"path,label\n"
CSV: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "names of the columns in line 1"),
    "blank first line": (b"\npath,label\na.png,cat\n", "names of the columns in line 1"),
    "header alone": (HEAD, "Expected rows in .*but got none below"),
    "no header": (b"a.png,cat\nb.png,dog\n", "column `path` .*but got 'a.png', 'cat'"),
    "no label": (b"path,lable\na.png,cat\n", "column `label` .*but got 'path', 'lable'"),
    "semicolons": (b"path;label\na.png;cat\n", "column `path` .*with commas between"),
    "a name twice": (b"path,label,label\na.png,cat,dog\n", "line 1 .*but got `label` twice"),
    "an unnamed column": (b",path,label\n0,a.png,cat\n", "line 1 .*column without a name.*index"),
    "too long": (HEAD + b"a.png,cat\nb.png,dog,x\n", r"2 fields \(path, label\) in line 3 .*got 3"),
    "every row too long": (
        HEAD + b"a.png,cat,train\nb.png,dog,train\n",
        r"2 fields \(path, label\) in line 2 .*but got 3.*quotes",
    ),
    "too short": (HEAD + b"a.png,cat\nb.png\n", "2 fields .*in line 3 .*but got 1"),
    "no label in a row": (HEAD + b"a.png,cat\nb.png,\n", "label in every row .*1 of 2 .*line 3"),
    "a blank for a label": (HEAD + b"a.png,  \nb.png,cat\n", "label in every row .*in line 2"),
    "no path in a row": (HEAD + b"a.png,cat\n,dog\n", "path in every row .*1 of 2 .*line 3"),
    "a path twice": (HEAD + b"a.png,cat\nb.png,dog\n./a.png,dog\n", "line 4 .*a.png of line 2"),
    "Latin-1": (HEAD + b"a.png,cat\nb.png,caf\xe9\n", r"UTF-8 .*0xe9 in line 3 \(byte 10 "),
    "UTF-16": ("path,label\na.png,cat\n".encode("utf-16"), r"UTF-8 .*0xff in line 1 \(byte 1 "),
    "NUL": (HEAD + b"a.png,c\0t\n", "UTF-8 text .*0x00 in line 2"),
    "open quote": (HEAD + b'a.png,cat\nb.png,"dog\nc.png,cat\n', "quotes .*in line 3 "),
    "half quoted": (HEAD + b'a.png,"cat"s\n', "quotes .*in line 2 "),
    "blank before a quote": (HEAD + b'a.png, "cat"\n', "quotes .*in line 2 .*no blanks around"),
    "unknown split": (b"path,label,split\na.png,cat,tset\n", "train, val or test .*line 2 .*tset"),
    "nothing to train on": (b"path,label,split\na.png,cat,test\n", "a row with split `train`"),
    "lines counted through quotes": (HEAD + b'a.png,"c\nat"\n\nb.png\n', "in line 5 .*but got 1"),
    "a number field too long": (HEAD + b"a.png," + b"c" * 200_000 + b"\n", "quotes .*line 2"),
}
JSONL: dict[str, tuple[str, str]] = {
    "empty": ("", "JSON objects in .*the file is empty"),
    "blank lines alone": ("\n\n", "the file is empty"),
    "no JSON": ('{"path": "a.png", "label": 1}\n{path}\n', "line 2 .*no JSON from character 2 on"),
    "cut": ('{"path": "a.png", "la', "in line 1 .*no JSON"),
    "a list": ('["a.png", "cat"]\n', "in line 1 .*but got a list"),
    "one array": ('[{"path": "a.png",\n"label": "cat"}]\n', "in line 1 .*no JSON"),
    "a text": ('"a.png"\n', "in line 1 .*but got the text 'a.png'"),
    "two objects": ('{"path": "a.png"}{"label": 1}\n', "no JSON from character 18 on"),
    "a key twice": (
        '{"path": "a.png", "label": 1, "label": 2}\n',
        "line 1 .*the key 'label' twice",
    ),
    "label a list": ('{"path": "a.png", "label": ["a", "b"]}\n', r"label in line 1 .*a list \['a'"),
    "label an object": ('{"path": "a.png", "label": {"n": 1}}\n', "label in line 1 .*an object"),
    "label true": ('{"path": "a.png", "label": true}\n', "label in line 1 .*a truth value True"),
    "label a fraction": ('{"path": "a.png", "label": 1.0}\n', "label in line 1 .*a fraction 1.0"),
    "label NaN": ('{"path": "a.png", "label": NaN}\n', "label in line 1 .*a fraction nan"),
    "label null": ('{"path": "a.png", "label": null}\n', "label in every row .*in line 1"),
    "label empty": ('{"path": "a.png", "label": " "}\n', "label in every row .*in line 1"),
    "no label": ('{"path": "a.png"}\n', "column `label` .*but got 'path'"),
    "no label in a row": (
        '{"path": "a.png", "label": "cat"}\n\n{"path": "b.png"}\n',
        "label in every row .*1 of 2 .*in line 3",
    ),
    "path a number list": ('{"path": [1], "label": "cat"}\n', "as path in line 1 .*a list"),
    "a path twice": (
        '{"path": "a.png", "label": 1}\n{"path": "a.png", "label": 2}\n',
        "another path in line 2 .*a.png of line 1 again",
    ),
    "NUL in a label": ('{"path": "a.png", "label": "c\\u0000t"}\n', r"label in line 1 .*'c\\x00t'"),
    "half a character": ('{"path": "a.png", "label": "\\ud800"}\n', "label in line 1 .*ud800"),
    "too deep": ("[" * 100_000, "in line 1 .*nested too deep"),
    "a number too long": ('{"path": "a.png", "label": ' + "1" * 5000 + "}", "number too long"),
    "unknown split": ('{"path": "a.png", "label": 1, "split": 1}\n', "train, val or test .*line 1"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of pictures that tables name."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in "abc":
        write_png(folder / f"{name}.png", ord(name))
    return str(folder)


def message(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises(ValueError) as raised:
        call(*arguments, **named)  # type: ignore[operator]
    return str(raised.value)


@pytest.mark.parametrize("name", list(CSV))
def test_what_a_malformed_csv_gets(tmp_path: Path, root: str, name: str) -> None:
    content, expected = CSV[name]
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    found = message(manifest, file=str(path), root=root)
    assert found.startswith("Expected ") and str(path) in found
    with pytest.raises(ValueError, match=expected):
        manifest(file=str(path), root=root)


@pytest.mark.parametrize("name", list(JSONL))
def test_what_a_malformed_jsonl_gets(tmp_path: Path, root: str, name: str) -> None:
    content, expected = JSONL[name]
    path = tmp_path / "table.jsonl"
    path.write_text(content, encoding="utf-8")
    found = message(manifest, file=str(path), root=root)
    assert found.startswith("Expected ") and str(path) in found
    with pytest.raises(ValueError, match=expected):
        manifest(file=str(path), root=root)


PARQUET: dict[str, tuple[pa.Array, str]] = {
    "fractions": (pa.array([1.0, 2.0]), "label in row 1 .*a fraction 1.0"),
    "truth values": (pa.array([True, False]), "label in row 1 .*a truth value"),
    "lists": (pa.array([["a"], ["b"]]), "label in row 1 .*a list"),
    "nulls": (pa.array(["cat", None]), "label in every row .*1 of 2 .*row 2"),
    "bytes": (pa.array([b"a", b"b"]), "label in row 1 .*bytes"),
    "dates": (pa.array([0, 1], pa.date32()), "label in row 1 .*date"),
}


@pytest.mark.parametrize("name", list(PARQUET))
def test_what_parquet_labels_get(tmp_path: Path, root: str, name: str) -> None:
    column, expected = PARQUET[name]
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"path": ["a.png", "b.png"], "label": column}), path)
    with pytest.raises(ValueError, match=expected):
        manifest(file=str(path), root=root)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([10, 2], pa.int8()),
        pa.array([10, 2], pa.uint64()),
        pa.array(["10", "2"], pa.large_string()),
        pa.array(["10", "2"]).dictionary_encode(),
    ],
    ids=["int8", "uint64", "large_string", "dictionary"],
)
def test_parquet_labels_of_every_good_type(tmp_path: Path, root: str, column: pa.Array) -> None:
    table = pa.table({"path": ["a.png", "b.png"], "label": column})
    parquet.write_table(table, tmp_path / "table.parquet")
    source = manifest(file=str(tmp_path / "table.parquet"), root=root)
    assert source.train.classes == ("2", "10") and source.train.label.tolist() == [1, 0]


def test_files_that_are_no_parquet(tmp_path: Path, root: str) -> None:
    for content in (b"", b"PAR1", b"PAR1" * 20, HEAD):
        (tmp_path / "table.parquet").write_bytes(content)
        with pytest.raises(ValueError, match=r"Parquet table in .*table\.parquet"):
            manifest(file=str(tmp_path / "table.parquet"), root=root)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1.1", "1.10", "1.1"], ("1.1", "1.10")),
        (["1", "01", "001"], ("001", "01", "1")),
        (["cat", "cat ", " cat"], ("cat",)),
        (["10", "2", "-3"], ("-3", "2", "10")),
        (["10", "2", "x"], ("10", "2", "x")),
        (["10", "2", "+1"], ("+1", "10", "2")),
        (["10", "2", "1e3"], ("10", "1e3", "2")),
        (["10", "2", "-0"], ("-0", "10", "2")),
        (["10", "2", "٣"], ("10", "2", "٣")),
        (["true", "null", "nan"], ("nan", "null", "true")),
        (["a,b", 'say "x"', "a\tb"], ("a\tb", "a,b", 'say "x"')),
        (["99999999999999999999", "3", "1"], ("1", "3", "99999999999999999999")),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("dialect", ["plain", "crlf", "bom", "blank lines"])
def test_labels_are_what_the_file_says(
    tmp_path: Path,
    root: str,
    labels: list[str],
    classes: tuple[str, ...],
    suffix: str,
    dialect: str,
) -> None:
    path = tmp_path / f"table.{suffix}"
    names = ["a.png", "b.png", "c.png"]
    if suffix == "parquet":
        pd.DataFrame({"path": names, "label": labels}).to_parquet(path)
    else:
        path.write_bytes(spoken(text_of(names, labels, suffix), dialect))
    source = manifest(file=str(path), root=root)
    assert source.train.classes == classes
    assert [classes[i] for i in source.train.label] == [label.strip() for label in labels]


def text_of(names: list[str], labels: list[str], suffix: str) -> str:
    if suffix == "jsonl":
        rows = [{"path": n, "label": label} for n, label in zip(names, labels, strict=True)]
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if suffix == "tsv" else ",", lineterminator="\n")
    writer.writerows([("path", "label"), *zip(names, labels, strict=True)])
    return text.getvalue()


def spoken(text: str, dialect: str) -> bytes:
    """The same table as other programs write it."""
    if dialect == "blank lines":
        text = text.replace("\n", "\n\n")
    if dialect == "crlf":
        text = text.replace("\n", "\r\n").removesuffix("\r\n")
    return (b"\xef\xbb\xbf" if dialect == "bom" else b"") + text.encode()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    labels=st.lists(
        st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1
        ).filter(lambda text: text.strip() == text)
        | st.from_regex(r"[+-]?0?[0-9]{1,3}(\.[0-9])?", fullmatch=True),
        min_size=1,
        max_size=8,
    )
)
def test_any_labels_come_back(tmp_path: Path, labels: list[str]) -> None:
    names = [f"{i}.png" for i in range(len(labels))]
    for suffix in ("csv", "tsv", "jsonl"):
        path = tmp_path / f"table.{suffix}"
        path.write_text(text_of(names, labels, suffix), encoding="utf-8", newline="")
        assert read_table(path).texts("label") == labels
    number, classes = numbered(labels)
    assert [classes[i] for i in number] == labels
    if all(map(is_whole_number, labels)):
        assert [int(name) for name in classes] == sorted({int(label) for label in labels})


def test_blanks_are_said_once_with_their_count(
    tmp_path: Path, root: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "t.csv").write_text("path, label \na.png, cat\nb.png,cat \nc.png,dog\n")
    with caplog.at_level(logging.WARNING):
        source = manifest(file=str(tmp_path / "t.csv"), root=root)
    assert source.train.classes == ("cat", "dog")
    assert [r.getMessage().split(": ")[1] for r in caplog.records] == [
        "took the blanks around 2 of 3 cells of column `label` away"
    ]


def test_numbers_and_their_texts_in_jsonl_are_one_class(tmp_path: Path, root: str) -> None:
    rows = [("a.png", 1), ("b.png", "1"), ("c.png", "01")]
    lines = (json.dumps({"path": name, "label": label}) for name, label in rows)
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    source = manifest(file=str(tmp_path / "t.jsonl"), root=root)
    assert source.train.classes == ("01", "1") and source.train.label.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "0"], np.array([1, -2, 0])),
        (["1", "", "2.5e1"], np.array([1, np.nan, 25])),
        (["nan", ".5", "+1"], np.array([np.nan, 0.5, 1])),
        (["True", "False", "True"], np.array([True, False, True])),
        (["1", "01", "2"], np.array(["1", "01", "2"], dtype=object)),
        (["x", "", " y"], np.array(["x", "", " y"], dtype=object)),
        (["9" * 30, "1", "2"], np.array([1e30, 1, 2])),
    ],
)
def test_further_columns(tmp_path: Path, cells: list[str], expected: np.ndarray) -> None:
    (tmp_path / "t.csv").write_text("id,x\n" + "".join(f"{i},{c}\n" for i, c in enumerate(cells)))
    column = read_table(tmp_path / "t.csv").values("x")
    assert column.dtype == expected.dtype
    np.testing.assert_array_equal(column, expected)


SCORES: dict[str, tuple[str, str]] = {
    "header alone": ("index,score\n", "Expected rows"),
    "a name twice": ("index,score,score\n0,1,1\n", "`score` twice"),
    "too long": ("index,score\n0,1,2\n", "2 fields .*in line 2"),
    "too short": ("index,score,label\n0,1\n", "3 fields .*in line 2"),
    "no number": ("index,score\n0,0,5\n", "2 fields .*in line 2"),
    "a decimal comma": ('index,score\n0,"0,5"\n', "finite numbers .*but got '0,5' in line 2"),
    "infinite": ("index,score\n0,1\n1,inf\n", "finite numbers .*but got 'inf' in line 3"),
    "index 01": ("index,score\n01,1\n", "column `index`, but got '01' in line 2"),
    "twice": ("index,score\n0,1\n\n0,1\n", "0 more than once, again in line 4"),
    "label a name": ("index,score,label\n0,1,cat\n", "column `label`, but got 'cat' in line 2"),
}


@pytest.mark.parametrize("name", list(SCORES))
def test_what_malformed_scores_get(tmp_path: Path, name: str) -> None:
    content, expected = SCORES[name]
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(ValueError, match=expected):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "parquet", "npz"])
def test_scores_of_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.{suffix}"
    table = pd.DataFrame({"index": [1, 0], "score": [0.5, 1], "label": [2, -1]})
    if suffix == "tsv":
        table.to_csv(path, sep="\t", index=False)
    elif suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        np.savez(path, **{name: table[name].to_numpy() for name in table})
    found = read_scores(path)
    assert found.index.tolist() == [1, 0] and found.score.tolist() == [0.5, 1]
    assert found.label is not None and found.label.tolist() == [2, -1]


GIVEN: dict[str, tuple[str, bytes, str]] = {
    "empty": ("csv", b"", "names of the columns in line 1"),
    "header alone": ("csv", b"label\n", "Expected rows"),
    "a line empty": ("csv", b"label\ncat\n\ndog\n", "label in line 3 .*but it is empty"),
    "a cell empty": ("csv", b'label\ncat\n""\ndog\n', "label in every row .*in line 3"),
    "too long": ("csv", b"id,label\n0,cat,x\n", "2 fields .*in line 2"),
    "a class unknown": ("csv", b"label\ncat\nwolf\n", "name of a class|class of the data set"),
    "Latin-1": ("csv", b"label\ncat\n\xe9\n", "0xe9 in line 3"),
    "a text line empty": ("txt", b"cat\n\ndog\n", "label in line 2"),
    "Latin-1 text": ("txt", b"cat\n\xe9\n", "0xe9 in line 2"),
    "a label a list": ("jsonl", b'{"label": ["cat"]}\n', "label in line 1 .*a list"),
    "no archive": ("npz", b"PK", "Expected an .npy or .npz file"),
    "no array": ("npy", b"\x93NUMPY", "Expected an .npy or .npz file"),
}


@pytest.mark.parametrize("name", list(GIVEN))
def test_what_malformed_given_labels_get(tmp_path: Path, name: str) -> None:
    suffix, content, expected = GIVEN[name]
    path = tmp_path / f"given.{suffix}"
    path.write_bytes(content)
    found = message(labels_from_file, balanced(("cat", "dog"), 1), file=str(path))
    assert found.startswith("Expected ") and str(path) in found
    with pytest.raises(ValueError, match=expected):
        labels_from_file(balanced(("cat", "dog"), 1), file=str(path))

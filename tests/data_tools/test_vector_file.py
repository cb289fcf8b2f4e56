"""Files of vectors: what is written is read, and what is wrong is told with its row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_tools.vector_file import read_vectors, write_vectors

N, V, F = 12, 3, 5
NAMES = ("b", "a", "10")


def vectors(dtype: str = "float32", views: int | None = None) -> np.ndarray[Any, Any]:
    shape = (N, F) if views is None else (N, views, F)
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def content() -> dict[str, Any]:
    return {
        "label": np.arange(N) % 3,
        "classes": np.array(NAMES),
        "split": np.array(["train"] * 8 + ["validation", "val", "test", "test"]),
        "path": np.array([f"{i}.png" for i in range(N)]),
        "quality": np.linspace(0, 1, N),
        "meta": np.array(json.dumps({"encoder": "timm:x"})),
    }


def as_npz(path: Path, x: np.ndarray[Any, Any], more: dict[str, Any]) -> Path:
    path = path.with_suffix(".npz")
    np.savez(path, vectors=x, **more)
    return path


def as_npy(path: Path, x: np.ndarray[Any, Any], more: dict[str, Any]) -> Path:
    np.save(path.with_suffix(".npy"), x)
    if "label" in more:
        np.save(path.with_name("label.npy"), more["label"])
    return path.with_suffix(".npy")


def as_safetensors(path: Path, x: np.ndarray[Any, Any], more: dict[str, Any]) -> Path:
    from safetensors.numpy import save_file

    path = path.with_suffix(".safetensors")
    texts = {key: more[key].tolist() for key in ("classes", "split") if key in more}
    header = {key: json.dumps(value) for key, value in texts.items()}
    header |= {"meta": str(more["meta"])} if "meta" in more else {}
    numbers = {key: np.asarray(v) for key, v in more.items() if np.asarray(v).dtype.kind in "if"}
    save_file({"vectors": np.ascontiguousarray(x), **numbers}, path, header)
    return path


def as_parquet(path: Path, x: np.ndarray[Any, Any], more: dict[str, Any]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = path.with_suffix(".parquet")
    rows = {key: v for key, v in more.items() if key not in ("classes", "meta")}
    table = pa.table({"embedding": list(x), **rows})
    header = {"classes": json.dumps(more["classes"].tolist())} if "classes" in more else {}
    header |= {"meta": str(more["meta"])} if "meta" in more else {}
    pq.write_table(table.replace_schema_metadata(header), path)
    return path


Writer = Callable[[Path, "np.ndarray[Any, Any]", dict[str, Any]], Path]
WRITERS: dict[str, Writer] = {
    "npz": as_npz,
    "npy": as_npy,
    "safetensors": as_safetensors,
    "parquet": as_parquet,
}


@pytest.mark.parametrize("above", [0, 256])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "views"),
    [("parquet", None), *((k, v) for k in WRITERS if k != "parquet" for v in (None, 1, V))],
)
def test_what_was_written_is_read(
    kind: str, views: int | None, dtype: str, above: int, tmp_path: Path
) -> None:
    x, more = vectors(dtype, views), content()
    read = read_vectors(WRITERS[kind](tmp_path / "x", x, more), map_above_mb=above)
    assert read.vectors.dtype == dtype and np.array_equal(read.vectors, x)
    assert isinstance(read.vectors, np.memmap) == (above == 0 and kind != "parquet")
    assert (len(read), read.views, read.width) == (N, views or 1, F)
    assert read.label is not None and read.label.tolist() == more["label"].tolist()
    if kind == "npy":
        assert read.classes == ("0", "1", "2") and read.split is None and not read.meta
        return
    assert read.classes == NAMES and read.meta == {"encoder": "timm:x"}
    assert read.split is not None
    assert read.split.tolist() == ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    assert read.columns["quality"].tolist() == more["quality"].tolist()
    if kind != "safetensors":  # which holds numbers alone
        assert read.columns["path"].tolist() == more["path"].tolist()


def test_a_round_trip(tmp_path: Path) -> None:
    more = content()
    columns = {"path": more["path"].astype(object), "quality": more["quality"]}
    write_vectors(
        tmp_path / "x.npz",
        vectors("float16", V),
        label=more["label"],
        classes=NAMES,
        split=more["split"].tolist(),
        columns=columns,
        meta={"encoder": "timm:x", "views": V},
    )
    read = read_vectors(tmp_path / "x.npz", map_above_mb=0)
    assert isinstance(read.vectors, np.memmap)  # not compressed
    assert np.array_equal(read.vectors, vectors("float16", V))
    assert read.classes == NAMES and read.meta == {"encoder": "timm:x", "views": V}
    assert read.columns["path"].tolist() == more["path"].tolist()
    assert [each.name for each in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("kind", ["npz", "npy", "parquet"])
def test_texts_become_classes_in_the_usual_order(kind: str, tmp_path: Path) -> None:
    texts = np.array(["b", "a", "a ", "10"] * 3)
    read = read_vectors(WRITERS[kind](tmp_path / "x", vectors(), {"label": texts}))
    assert read.classes == ("10", "a", "b")
    assert read.label is not None and read.label.tolist() == [2, 1, 1, 0] * 3


def test_labels_of_another_file(tmp_path: Path) -> None:
    path = as_npz(tmp_path / "x", vectors(), {})
    assert read_vectors(path).label is None
    np.save(tmp_path / "y.npy", np.arange(N) % 2)
    read = read_vectors(path, label=tmp_path / "y.npy")
    assert read.label is not None and read.label.tolist() == [0, 1] * 6


def _with(row: int, value: float) -> np.ndarray[Any, Any]:
    x = vectors()
    x[row] = value
    return x


def _one(row: int, value: float, dtype: str = "float32") -> np.ndarray[Any, Any]:
    x = vectors(dtype)
    x[row, 2] = value
    return x


NUMBERS: dict[str, tuple[np.ndarray[Any, Any], str]] = {
    "nan": (_one(4, np.nan), "finite numbers.* row 4, in 1 of 12"),
    "inf": (_one(4, -np.inf, "float16"), "finite numbers.* row 4,"),
    "beyond float32": (_one(4, 1e300, "float64"), "finite numbers.* row 4,"),
    "zeros": (_with(7, 0), "not all zeros.* zeros in row 7"),
    "integers": (vectors().astype("int32"), "float16, float32 or float64.* got (int32|I32)"),
    "no samples": (vectors()[:0], "at least one vector.* no "),
    "no coordinates": (vectors()[:, :0], "at least one vector|0 floats|no coordinates"),
}
LABELS: dict[str, tuple[Any, str]] = {
    "too few": (np.arange(N - 1), "Expected 12 labels.* got 11|Parquet"),
    "below 0": (np.arange(N) - 1, "at least 0.* got -1 in row 0"),
    "fractions": (np.linspace(0, 1, N), "whole numbers or texts.* float64"),
}


@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("kind", WRITERS)
def test_vectors_that_are_none_are_refused(kind: str, case: str, tmp_path: Path) -> None:
    x, message = NUMBERS[case]
    if kind == "parquet" and case in ("integers", "no samples"):  # no lists of floats
        message = "one column of lists of floats"
    path = WRITERS[kind](tmp_path / "x", x, {"label": np.arange(len(x))})
    for above in (0, 256):
        with pytest.raises(ValueError, match=message) as caught:
            read_vectors(path, map_above_mb=above)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("case", LABELS)
@pytest.mark.parametrize("kind", ["npz", "npy", "safetensors"])
def test_labels_that_do_not_fit_are_refused(kind: str, case: str, tmp_path: Path) -> None:
    label, message = LABELS[case]
    path = WRITERS[kind](tmp_path / "x", vectors(), {"label": label})
    with pytest.raises(ValueError, match=message) as caught:
        read_vectors(path)
    assert str(path.parent) in str(caught.value)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_file_is_refused(kind: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 64)).astype("float32")
    path = WRITERS[kind](tmp_path / "x", x, {})
    whole = path.read_bytes()
    for kept in (0, 1, 7, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        for above in (0, 256):
            with pytest.raises(ValueError, match="xpected.*x\\." + kind):
                read_vectors(path, map_above_mb=above)
    if kind == "npz":  # has a check sum
        path.write_bytes(whole[: len(whole) // 2] + b"\x01\x02\x03" + whole[len(whole) // 2 + 3 :])
        for above in (0, 256):
            with pytest.raises(ValueError, match="damaged"):
                read_vectors(path, map_above_mb=above)


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "objects": (
        {"vectors": np.array([np.ones(2), np.ones(3)], dtype=object)},
        "float16, float32 or float64.* got objects",
    ),
    "one axis": ({"vectors": np.ones(5)}, r"\(N, F\).* shape \(5,\)"),
    "no vectors": ({"x": vectors()}, "`vectors`.* got x"),
    "a class twice": ({"classes": np.array(["a", "a"])}, "'a' twice"),
    "more labels than classes": (
        {"label": np.arange(N) % 3, "classes": np.array(["a", "b"])},
        r"\[0, 2\).* got 2 in row 2",
    ),
    "an unknown split": ({"split": np.array(["train"] * 11 + ["dev"])}, "'dev' in row 11"),
    "splits of another length": ({"split": np.array(["train"])}, "12 texts in `split`"),
    "a column of another length": ({"path": np.array(["a"])}, "12 values in column `path`"),
    "an empty label": ({"label": np.array(["a"] * 11 + [" "])}, "label in every row.* row 11"),
    "objects as labels": ({"label": np.array([1, "a"] * 6, dtype=object)}, "`label`.*objects"),
    "meta that is no JSON": ({"meta": np.array("{")}, "`meta`.*JSON object"),
}


@pytest.mark.parametrize("case", OTHER)
def test_what_does_not_belong_together_is_refused(case: str, tmp_path: Path) -> None:
    changed, message = OTHER[case]
    arrays = (
        changed if "vectors" in changed or "x" in changed else {"vectors": vectors(), **changed}
    )
    path = tmp_path / "x.npz"
    np.savez(path, allow_pickle=True, **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)


def test_ragged_lists_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for rows, message in (
        ([[1.0, 2.0], [1.0, 2.0], [1.0]], "2 floats in every row.* got 1 in row 2"),
        ([[1.0, 2.0], None, [1.0, 3.0]], "2 floats in every row.* got none in row 1"),
        ([[1.0, 2.0], [1.0, None], [1.0, 3.0]], "finite numbers.* row 1"),
    ):
        pq.write_table(pa.table({"vectors": rows}), tmp_path / "x.parquet")
        with pytest.raises(ValueError, match=message):
            read_vectors(tmp_path / "x.parquet")


def test_what_cannot_be_read_is_not_written(tmp_path: Path) -> None:
    for x, message in NUMBERS.values():
        with pytest.raises(ValueError, match=message):
            write_vectors(tmp_path / "x.npz", x)
    for label, message in LABELS.values():
        with pytest.raises(ValueError, match=message):
            write_vectors(tmp_path / "x.npz", vectors(), label=label)
    with pytest.raises(ValueError, match="another name"):
        write_vectors(tmp_path / "x.npz", vectors(), columns={"meta": list(range(N))})
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        write_vectors(tmp_path / "x.csv", vectors())
    assert list(tmp_path.iterdir()) == []

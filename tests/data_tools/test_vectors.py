"""The data set of vectors: splits, classes, encoders, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_tools.datasets.vectors import vectors
from data_tools.input_spec import InputSpec
from data_tools.noise.instance_dependent import instance_dependent
from data_tools.vector_file import write_vectors
from data_tools.vector_rows import gather_vectors

N, F = 24, 6


def rows(count: int = N, width: int = F, views: int | None = None) -> np.ndarray[Any, Any]:
    shape = (count, width) if views is None else (count, views, width)
    return np.random.default_rng(count).normal(size=shape).astype(np.float32)


def written(path: Path, x: np.ndarray[Any, Any] | None = None, **more: Any) -> str:
    x = rows() if x is None else x
    write_vectors(path, x, **{"label": np.arange(len(x)) % 3, **more})
    return str(path)


def test_a_column_of_splits_parts_the_file(tmp_path: Path) -> None:
    split = np.array(["train", "test", "train", "validation"] * 6)
    path = [f"{i}.png" for i in range(N)]
    found = vectors(file=written(tmp_path / "x.npz", split=split, columns={"path": path}))
    assert found.test is not None and found.validation is not None
    for part, name in ((found.train, "train"), (found.test, "test")):
        index = np.flatnonzero(split == name)
        assert np.array_equal(np.stack([part[i] for i in range(len(part))]), rows()[index])
        assert np.array_equal(
            gather_vectors(part.samples, np.arange(len(part)))[:, 0], rows()[index]
        )
        assert part.label.tolist() == (index % 3).tolist() and part.origin is None
        assert part.columns["path"].tolist() == [str(tmp_path / path[i]) for i in index]
        assert part.spec == InputSpec.of_vectors(F) and not part.spec.flips


def test_files_of_their_own_share_the_classes(tmp_path: Path) -> None:
    train = written(tmp_path / "a.npz", label=np.array(["b", "a"] * 12))
    test = written(tmp_path / "b.npz", rows(6), label=np.array(["c", "b"] * 3))
    found = vectors(file=train, test_file=test)
    assert found.train.classes == ("a", "b", "c") and found.test is not None
    assert found.train.label.tolist() == [1, 0] * 12 and found.test.label.tolist() == [2, 1] * 3
    assert found.validation is None and not found.truth_known


def test_several_views_are_samples_of_several_rows(tmp_path: Path) -> None:
    found = vectors(file=written(tmp_path / "x.npz", rows(views=3)), clean=True)
    assert found.truth_known and found.train[2].shape == (3, F)
    assert found.train.take(np.array([5, 1]))[1].tolist() == found.train[1].tolist()


def test_who_made_them_is_told(tmp_path: Path) -> None:
    meta = {"encoder": "timm:x", "weights": "ab12"}
    path = written(tmp_path / "x.npz", meta=meta)
    assert vectors(file=path, expect_encoder="timm:x").made_by == meta


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another width": ({}, {"x": rows(6, 7)}, "6 coordinates in .*test.npz.* got 7"),
    "another encoder": ({"meta": {"encoder": "a"}}, {"meta": {"encoder": "b"}}, "one encoder, 'a'"),
    "no encoder named": ({"meta": {"encoder": "a"}}, {}, "one encoder, 'a'.* names None"),
    "the split twice": (
        {"split": ["train", "test"] * 12},
        {},
        "the test set in one file.* 12 rows",
    ),
    "no labels": ({"label": None}, {}, "labels in .*train.npz"),
    "nothing to train on": ({"split": ["validation"] * N}, {}, "split `train`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_do_not_fit_each_other_are_refused(case: str, tmp_path: Path) -> None:
    train, test, message = REFUSED[case]
    first = written(tmp_path / "train.npz", **train)
    second = written(tmp_path / "test.npz", test.pop("x", rows(6)), **test)
    with pytest.raises(ValueError, match=message):
        vectors(file=first, test_file=second)


@pytest.mark.parametrize(("meta", "got"), [({}, "no encoder at all"), ({"encoder": "b"}, "'b'")])
def test_the_file_of_another_encoder_is_refused(
    meta: dict[str, str], got: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"encoder 'a'.*{got}"):
        vectors(file=written(tmp_path / "x.npz", meta=meta), expect_encoder="a")


def test_noise_by_what_a_vector_is(tmp_path: Path) -> None:
    one = vectors(file=written(tmp_path / "x.npz", rows(3000), label=np.arange(3000) % 3)).train
    views = np.repeat(rows(3000)[:, None], 2, axis=1)
    views[:, 1] = 100.0  # only the first stored view counts
    two = vectors(file=written(tmp_path / "y.npz", views, label=np.arange(3000) % 3)).train
    for pixels in ("raw", "normalized"):
        made = instance_dependent(one, rate=0.4, pixels=pixels, seed=1)
        assert abs((made.label != one.label).mean() - 0.4) < 0.03
        if pixels == "raw":
            assert np.array_equal(made.label, instance_dependent(two, rate=0.4, seed=1).label)
        score = np.stack([one[i] for i in range(3000)])
        flipped = (made.label != one.label) & (one.label == 0)
        to = [score[flipped & (made.label == c)].mean(0) for c in (1, 2)]
        assert np.abs(to[0] - to[1]).max() > 0.2  # what a vector is decides where it goes
    with pytest.raises(ValueError, match="`raw` or `normalized`"):
        instance_dependent(one, rate=0.4, pixels="unit")

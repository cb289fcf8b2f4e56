"""The source `generated`: how many of each class, of which samples, kept between runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_tools.datasets.base import Splits
from data_tools.facts_cache import cache_folder
from data_tools.noise.base import NoisyLabels
from data_tools.prepared import prepare_data
from data_tools.samples import SampleSet
from data_tools.training_set import with_synthetic
from supcon_ext.synthetic.generator import Asked, generator
from supcon_ext.synthetic.source import SyntheticSource, synthetic_source
from supcon_ext.synthetic.sources.generated import Generated
from supcon_ext.synthetic.trust import read_trust
from tests.synthetic import toy

COUNTS = (130, 40, 19, 2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def small(name: str):
    return generator.get(name).make(**toy.small(name))


def believing(place: Path, **params: Any) -> SyntheticSource:
    return synthetic_source.make("generated", generator="transform", trust=str(place), **params)


def real(kind: str = "image"):
    return toy.prepared(toy.pictures(COUNTS) if kind == "image" else toy.vectors(COUNTS))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"per_class": 3}, [3, 3, 3, 3]),
        ({"fill_to": 25}, [0, 0, 6, 23]),
        ({"fill_to": 2}, [0, 0, 0, 0]),
        ({"quota": {"few": 7, "many": 1}}, [1, 0, 7, 7]),
        ({"quota": {"few": 7, "star": 2, "circle": 1}}, [1, 0, 7, 2]),
    ],
)
def test_how_many_of_each_class(params, expected) -> None:
    made = Generated("procedural", **params).make(real(), 0)
    assert np.bincount(made.label, minlength=4).tolist() == expected
    assert len(made) == sum(expected) and (made.quality == 1).all()


@pytest.mark.parametrize("params", [{}, {"per_class": 1, "fill_to": 2}])
def test_one_way_to_say_how_many(params) -> None:
    with pytest.raises(ValueError, match="Expected one of `per_class`"):
        Generated("procedural", **params)


def test_a_quota_of_no_class() -> None:
    with pytest.raises(ValueError, match="`tails`"):
        Generated("procedural", quota={"tails": 3}).make(real(), 0)


def test_captions_take_turns() -> None:
    made = Generated("procedural", per_class=25).make(real(), 0)
    assert len(made.captions) == 4 * 12
    assert sorted(np.bincount(made.caption).tolist()) == [2] * 44 + [3] * 4
    assert all("star" in made.captions[c] for c in made.caption[made.label == 3])


@pytest.mark.parametrize("name", generator.names())
def test_every_generator_stands_beside_its_set(name: str) -> None:
    kind = next(iter(generator.get(name).takes))
    data = real(kind)
    made = Generated(small(name), quota={"few": 5}, quality=0.5).make(data, 3)
    whole = with_synthetic(data.train, made)
    assert len(whole) == sum(COUNTS) + 10 and whole.real == sum(COUNTS)
    assert whole[sum(COUNTS)].shape == data.train[0].shape
    fitted = small(name)
    fitted.fit(data.train, seed=3)
    for row in range(10):
        label = int(made.label[row])
        assert made.parent[row] == -1 or data.train.label[made.parent[row]] == label
    if not fitted.captions_of(2):
        np.testing.assert_array_equal(made[1], fitted.sample(2, 1, 3))
        assert made.parent[1] == fitted.parent_of(2, 1, 3)


@pytest.mark.parametrize("name", generator.names())
def test_what_was_made_is_kept(name: str, monkeypatch) -> None:
    data = real(next(iter(generator.get(name).takes)))
    first = Generated(small(name), per_class=2).make(data, 0)
    fits = []
    monkeypatch.setattr(generator.get(name).target, "fit", lambda *a: fits.append(a))
    again = Generated(small(name), per_class=2).make(data, 0)
    assert not fits
    for row in range(len(first)):
        np.testing.assert_array_equal(first[row], again[row])
    for field in ("label", "caption", "parent", "quality"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
    assert first.captions == again.captions


def test_what_changes_is_made_again() -> None:
    data = real()
    darker = np.stack([data.train[i] // 2 for i in range(len(data.train))])
    darker_set = replace(data, train=replace(data.train, samples=darker))
    source = Generated("transform", per_class=2)
    cases = ((data, 0), (data, 1), (darker_set, 0))
    assert len({float(np.sum(source.make(*case)[0])) for case in cases}) == 3
    assert float(np.mean(source.make(darker_set, 0)[0])) < float(np.mean(source.make(data, 0)[0]))
    assert len(Generated("transform", per_class=3).make(data, 0)) == 12


def test_a_damaged_cache_is_as_if_there_were_none() -> None:
    data, source = real(), Generated("procedural", per_class=2)
    first = source.make(data, 0)[0]
    (place,) = (cache_folder().parent / "generated").glob("*.npz")
    whole = place.read_bytes()
    for content in (b"", whole[:-300], whole[:2000] + b"x" * 40 + whole[2040:]):
        place.write_bytes(content)
        np.testing.assert_array_equal(source.make(data, 0)[0], first)
        assert place.read_bytes() == whole


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path) -> None:
    (tmp_path / "a_file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a_file"))
    assert len(Generated("procedural", per_class=1).make(real(), 0)) == 4


def test_classes_without_trusted_samples_are_told_and_left(caplog, tmp_path) -> None:
    data = real()
    rows = [f"{i},{float(data.train.label[i] != 2)}" for i in range(len(data.train))]
    (tmp_path / "trust.csv").write_text("\n".join(["index,trust", *rows]))
    made = synthetic_source.make(
        "generated", generator="transform", per_class=2, trust=str(tmp_path / "trust.csv")
    ).make(data, 0)
    assert np.bincount(made.label, minlength=4).tolist() == [2, 2, 0, 2]
    assert "no samples of 1 classes that have no trusted sample: triangle" in caplog.text


def test_true_labels_are_never_looked_at(tmp_path) -> None:
    """Of 40 % wrong labels the parents are of the given class, and only trusted ones."""
    plain = toy.pictures((60, 60))
    given = np.where(np.arange(120) % 5 < 2, 1 - plain.label, plain.label)
    data = prepare_data(
        Splits(train=plain, test=None, truth_known=True),
        noise=lambda train: NoisyLabels(label=given, truth=train.label, transition=None),
    )
    blind = replace(data, truth=None, clean_counts=None)
    np.savez(tmp_path / "t.npz", index=data.origin[::-1], trust=(given == plain.label)[::-1])
    source = synthetic_source.make(
        "generated", generator="transform", per_class=40, trust=str(tmp_path / "t.npz")
    )
    made, same = source.make(data, 0), source.make(blind, 0)
    np.testing.assert_array_equal(made.parent, same.parent)
    assert (given[made.parent] == made.label).all() and (
        plain.label[made.parent] == made.label
    ).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("index,trust\n0,1\n", "each of 191 training samples, but got none for sample 1"),
        ("index,trust\n0,2\n", r"trust in \[0, 1\]"),
        ("index,trust\n0,\n", r"trust in \[0, 1\]"),
        ("index,trust\n-1,1\n", "whole numbers from 0"),
        ("index,trust\n0,1\n0,1\n", "each index once"),
        ("index,colour\n0,1\n", "`trust` or `flagged`"),
        ("trust\n1\n", "index"),
    ],
)
def test_a_table_of_trust_that_does_not_fit(text: str, expected: str, tmp_path) -> None:
    (tmp_path / "trust.csv").write_text(text)
    with pytest.raises(ValueError, match=expected):
        read_trust(tmp_path / "trust.csv", real())


@pytest.mark.parametrize("place", ["none.csv", "no-such-run", ""])
def test_no_trust_there(place: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match="Expected"):
        read_trust(place, real())


def test_trust_goes_by_the_place_in_the_data_set(tmp_path) -> None:
    """An audit's table: most suspicious first, validation rows apart, flags where no trust is."""
    whole = prepare_data(
        Splits(train=toy.pictures((20, 20)), test=None, truth_known=True), validation=0.25, seed=1
    )
    flagged = set(whole.origin[::3].tolist())
    rows = [f"{i},train,{int(i in flagged)}" for i in sorted(whole.origin, key=lambda i: -i)]
    rows += [f"{i},validation,1" for i in whole.origin]
    (tmp_path / "labels.csv").write_text("\n".join(["index,split,flagged", *rows]))
    trust = read_trust(tmp_path / "labels.csv", whole)
    expected = [float(i not in flagged) for i in whole.origin.tolist()]
    assert trust.tolist() == expected and trust.dtype == torch.float32


def test_the_source_is_found_by_its_name_in_a_recipe() -> None:
    spec = synthetic_source.spec(
        {"kind": "generated", "generator": {"kind": "transform", "count": 1}, "fill_to": 25}
    )
    assert spec.as_dict()["generator"]["kind"] == "transform"
    made = spec.build().make(real(), 0)
    assert np.bincount(made.label, minlength=4).tolist() == [0, 0, 6, 23]
    assert isinstance(made[0], np.ndarray) and not isinstance(made, SampleSet)


def test_asked_before_it_was_made_of_pictures_of_several_sizes() -> None:
    images = np.empty(6, dtype=object)
    images[:] = [np.full((9 + i, 12, 3), 10 * i, np.uint8) for i in range(6)]
    spec = replace(toy.pictures().spec, size=None)
    train = SampleSet(images, np.arange(6) % 2, ("a", "b"), spec=spec)
    made = Generated("transform", per_class=3).make(toy.prepared(train), 0)
    assert [made[i].shape for i in range(6)] == [images[p].shape for p in made.parent]


def test_asked_is_a_class_or_a_caption() -> None:
    assert Asked("a", 0).what == "a"

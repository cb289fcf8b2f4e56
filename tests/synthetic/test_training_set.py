"""Synthetic samples beside real ones: the sets, exactly."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_tools.prepared import PreparedData, Truth
from data_tools.samples import SampleSet
from data_tools.synthetic_set import Chain, SyntheticSet, normalised_caption
from data_tools.training_set import with_synthetic

CLASSES = ("cat", "dog")


def real(count=4, **columns):
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    label = np.arange(count) % 2
    return SampleSet(images, label, CLASSES, {k: np.array(v) for k, v in columns.items()})


def made(count=3, **known):
    images = (
        np.full((count, 8, 8, 3), 200, np.uint8)
        + np.arange(count, dtype=np.uint8)[:, None, None, None]
    )
    return SyntheticSet.of(images, real().spec, CLASSES, **known)


def test_columns_and_order() -> None:
    """Of no class last, of quality 0 not at all; a real sample is its own parent."""
    synthetic = made(
        label=[-1, 1, 0],
        captions=["A  cat", "a CAT", None],
        parent=[2, -1, 0],
        quality=[0.5, 1, 0.25],
        columns={"seed": np.array([7, 8, 9])},
    )
    both = with_synthetic(real(path=list("abcd")), synthetic)
    assert both.real == 4
    assert both.label.tolist() == [0, 1, 0, 1, 1, 0, -1]
    assert both.columns["caption"].tolist() == [-1, -1, -1, -1, 0, -1, 0]
    assert both.columns["parent"].tolist() == [0, 1, 2, 3, -1, 0, 2]
    assert both.columns["quality"].tolist() == [1, 1, 1, 1, 1, 0.25, 0.5]
    assert both.columns["seed"].tolist() == [-1] * 4 + [8, 9, 7]
    assert both.columns["path"].tolist() == [*"abcd", "", "", ""]
    assert [int(both[place][0, 0, 0]) for place in range(7)] == [0, 1, 2, 3, 201, 202, 200]


def test_quality_0_is_absence() -> None:
    """A row of no quality is not there: the training set is the same without it."""
    without = with_synthetic(real(), made(2, label=[0, 1]))
    with_it = with_synthetic(real(), made(3, label=[0, 1, 1], quality=[1, 1, 0]))
    assert len(with_it) == len(without) == 6
    assert with_it.label.tolist() == without.label.tolist()


def test_truth_and_splits_cannot_hold_one() -> None:
    """By type: fields of prepared data are real sets, and a synthetic set is none."""
    hints = {field.name: field.type for field in dataclasses.fields(PreparedData)}
    assert not issubclass(SyntheticSet, SampleSet)
    assert [hints[name] for name in ("train", "validation", "test")] == [
        "SampleSet",
        "SampleSet | None",
        "SampleSet | None",
    ]
    assert "SyntheticSet" not in str([f.type for f in dataclasses.fields(Truth)])


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"label": [0, 2, 0]}, "label"),
        ({"label": [0, -2, 0]}, "label"),
        ({"quality": [0, 1.5, 0]}, "quality"),
        ({"quality": [0, np.nan, 0]}, "quality"),
        ({"parent": [0, -2, 0]}, "parent"),
        ({"label": [0, 1]}, "label"),
        ({"columns": {"seed": np.array([1])}}, "seed"),
    ],
)
def test_what_does_not_fit(known, told) -> None:
    with pytest.raises(ValueError, match=told):
        made(**known)


def test_parents_beyond_the_training_set() -> None:
    with pytest.raises(ValueError, match="parents among the 4"):
        with_synthetic(real(), made(parent=[4, 0, 0]))


def test_other_kinds_of_samples() -> None:
    grey = SyntheticSet.of(
        np.zeros((1, 8, 8, 1), np.uint8),
        dataclasses.replace(real().spec, channels=1),
        CLASSES,
    )
    with pytest.raises(ValueError, match="channels 3 and 1"):
        with_synthetic(real(), grey)
    with pytest.raises(ValueError, match="classes"):
        with_synthetic(real(), dataclasses.replace(made(), classes=("cat", "dog", "cow")))


@settings(max_examples=50)
@given(st.lists(st.text(alphabet="aAbB é  \t", max_size=5), min_size=1, max_size=8))
def test_captions_are_merged(captions) -> None:
    """Equal after normalisation is equal, and nothing else is, in any number of parts."""
    whole = made(len(captions), captions=captions)
    parts = [made(1, captions=[caption]) for caption in captions]
    for found in (whole, SyntheticSet.cat(parts)):
        texts = [normalised_caption(caption) for caption in captions]
        told = [found.captions[place] if place >= 0 else "" for place in found.caption]
        assert told == texts


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_chain_is_its_parts(sizes) -> None:
    parts = [np.full((size, 2), number, np.float32) for number, size in enumerate(sizes)]
    chain, whole = Chain(parts), np.concatenate(parts)
    assert len(chain) == len(whole)
    assert all((chain[place] == whole[place]).all() for place in range(-len(whole), len(whole)))
    order = np.random.default_rng(0).permutation(len(whole))
    assert (chain.gather(order)[:, 0] == whole[order]).all()
    with pytest.raises(IndexError):
        chain[len(whole)]


def test_vectors_of_fewer_views_repeat_theirs() -> None:
    stored = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    chain = Chain([stored, np.full((1, 2), -1, np.float32)])
    found = chain.gather(np.array([2, 0]))
    assert found.shape == (2, 3, 2)
    assert (found[0] == -1).all() and (found[1] == stored[0]).all()

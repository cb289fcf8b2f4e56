"""The feed of vectors gives, batch by batch, what reading sample by sample gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.vector_file import read_vectors, write_vectors
from data_tools.vector_rows import VectorRows
from supcon_ext.feed.base import EpochPlan, GroupPlan
from supcon_ext.feed.choice import feed_of
from supcon_ext.feed.vectors import VectorFeed
from supcon_ext.feed.workers import WorkerFeed
from supcon_ext.policies.base import policy
from supcon_ext.policies.vector_view import VectorContext

N, V, F = 40, 3, 9
STAGE: dict[str, Any] = {"views_seed": 3, "order_seed": 4, "drop_last": False}


def vectors(views: int = V, dtype: str = "float16") -> np.ndarray[Any, Any]:
    x = np.random.default_rng(0).normal(size=(N, views, F)).astype(dtype)
    return x[:, 0] if views == 1 else x


def sample_set(x: np.ndarray[Any, Any]) -> SampleSet:
    label = np.arange(len(x)) % 2
    return SampleSet(VectorRows(x), label, ("a", "b"), spec=InputSpec.of_vectors(F))


def plans(train: SampleSet) -> list[GroupPlan]:
    context = VectorContext(F, (0.1,) * F, (2.0,) * F, train)
    named = {name: policy.spec(name).bind()(context) for name in policy.that_take("vector")}
    return [
        GroupPlan(name, view, 1 + number % 3) for number, (name, view) in enumerate(named.items())
    ]


def batches(feed: Any, train: SampleSet, plan: EpochPlan, size: int = 12) -> list[Any]:
    return list(feed.stage(plans(train), size, **STAGE).epoch(plan))


REPEATED = np.array([3, 3, 3, 7, *range(20), 7, 0, 0], dtype=np.int64)


@pytest.mark.parametrize("plan", [EpochPlan(0), EpochPlan(5, 2), EpochPlan(1, order=REPEATED)])
@pytest.mark.parametrize("views", [1, V])
def test_every_batch_is_what_a_feed_sample_by_sample_gives(plan: EpochPlan, views: int) -> None:
    whole = sample_set(vectors(views))
    train = whole.take(np.arange(N)[::-1].copy())
    ours = batches(VectorFeed(train), train, plan)
    expected = batches(WorkerFeed(train), train, plan)
    assert len(ours) == len(expected) > 1
    for mine, theirs in zip(ours, expected, strict=True):
        assert list(mine) == list(theirs)
        for name in mine:
            assert torch.equal(mine[name].x, theirs[name].x), name
            assert torch.equal(mine[name].sample, theirs[name].sample)
            assert mine[name].views == theirs[name].views


def test_processes_together_give_the_batches_of_one() -> None:
    train = sample_set(vectors())
    one = batches(VectorFeed(train), train, EpochPlan(2), 13)
    parts = [batches(VectorFeed(train, rank=r, world=3), train, EpochPlan(2), 13) for r in range(3)]
    for number, whole in enumerate(one):
        for name, group in whole.items():
            wanted = torch.unflatten(group.x, 0, (group.views, -1))
            for rank in range(3):
                mine = parts[rank][number][name]
                found = torch.unflatten(mine.x, 0, (mine.views, -1))
                assert torch.equal(found, wanted[:, rank::3])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_mapped_vectors_are_those_in_memory(dtype: str, tmp_path: Path) -> None:
    write_vectors(tmp_path / "x.npz", vectors(V, dtype))
    found = []
    for above in (0, 256):
        train = sample_set(read_vectors(tmp_path / "x.npz", map_above_mb=above).vectors)
        found.append(batches(VectorFeed(train), train, EpochPlan(0)))
    for mine, theirs in zip(*found, strict=True):
        assert all(torch.equal(mine[name].x, theirs[name].x) for name in mine)


def test_plain_views_of_any_split_in_order() -> None:
    train = sample_set(vectors())
    view = plans(train)[-1].view  # stored_view
    places = torch.tensor([5, 1, 39, 1])
    for key in (None, lambda place: (1, 2, place, 0)):
        ours = list(VectorFeed(train).plain(train, view, places, 3, key))
        theirs = list(WorkerFeed(train).plain(train, view, places, 3, key))
        for (x, place), (x_too, place_too) in zip(ours, theirs, strict=True):
            assert torch.equal(x, x_too) and torch.equal(place, place_too)


def test_a_view_without_batches_is_drawn_one_by_one() -> None:
    train = sample_set(vectors(1))

    def doubled(sample: Any, key: tuple[int, ...]) -> torch.Tensor:
        return torch.from_numpy(2 * sample + key[3])

    stage = VectorFeed(train).stage([GroupPlan("x", doubled, 2)], 12, **STAGE)
    batch = next(iter(stage.epoch(EpochPlan(0))))["x"]
    first, second = batch.x.chunk(2)
    raw = torch.from_numpy(vectors(1).astype(np.float32))[batch.sample[:12]]
    assert torch.equal(first, 2 * raw) and torch.equal(second, 2 * raw + 1)


def test_the_feed_is_chosen_by_the_samples() -> None:
    assert isinstance(feed_of(sample_set(vectors())), VectorFeed)
    images = SampleSet(np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int64), ("a",))
    assert isinstance(feed_of(images), WorkerFeed)

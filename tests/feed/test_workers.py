import dataclasses
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_tools.bad_image import BadImageError, GoneImageError
from supcon_ext.feed.base import EpochPlan, Group, GroupPlan
from supcon_ext.feed.batches import EpochBatches
from supcon_ext.feed.dataset import ViewDataset, as_batch
from supcon_ext.feed.workers import WorkerFeed
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.none import none
from supcon_ext.policies.simaugment import simaugment

CONTEXT = ViewContext(12, 3, True, (0.5,) * 3, (0.25,) * 3)
WORKERS = [0, 1, 2, 3]


def groups(count: int = 2) -> list[GroupPlan]:
    return [GroupPlan("views", simaugment(CONTEXT), count)]


def view_dataset(images, seed: int = 0) -> ViewDataset:
    return ViewDataset(images, groups(), seed)


def feed_of(images, workers: int = 0, batch_size: int = 6, plans=None):
    return WorkerFeed(images, workers=workers).stage(
        plans or groups(), batch_size, views_seed=0, order_seed=0, drop_last=True
    )


def as_views(group: Group):
    """(B, V, C, H, W) and (B,)."""
    views = torch.unflatten(group.x, 0, (group.views, -1)).transpose(0, 1)
    return views.clone(), group.sample[: group.samples].clone()


def epochs(images, workers: int, count: int = 2):
    """Views and indices of every batch of the first epochs: lists of (B, V, C, H, W) and (B,)."""
    feed = feed_of(images, workers)
    return [
        [as_views(batch["views"]) for batch in feed.epoch(EpochPlan(epoch))]
        for epoch in range(count)
    ]


# -- the trap: workers that draw alike, epochs that repeat


def test_no_two_workers_epochs_or_views_draw_alike(images):
    """One image in every place: only its keys tell the views apart."""
    same = images.take(np.zeros(24, dtype=np.int64))
    pictures = [
        view.numpy().tobytes()
        for epoch in epochs(same, workers=2)
        for views, _ in epoch
        for view in views.flatten(0, 1)
    ]
    assert len(pictures) == 2 * 24 * 2
    assert len(set(pictures)) == len(pictures)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
def test_any_number_of_workers_gives_the_same_pixels(images):
    expected = epochs(images, 0)
    for workers in WORKERS[1:]:
        for epoch, other in zip(expected, epochs(images, workers), strict=True):
            for (views, index), (views_too, index_too) in zip(epoch, other, strict=True):
                assert torch.equal(index, index_too)
                assert torch.equal(views, views_too)


def test_a_batch_is_what_its_keys_say(images):
    dataset = view_dataset(images)
    (views, index), *_ = epochs(images, 0)[1]
    assert views.shape == (6, 2, 3, 12, 12)
    assert views.dtype == torch.float32
    assert index.dtype == torch.int64
    expected = torch.stack([dataset[1, int(i)][0]["views"] for i in index])
    assert torch.equal(views, expected)


def test_seed_epoch_index_and_view_each_change_the_view(images):
    same = images.take(np.zeros(24, dtype=np.int64))
    views, index = view_dataset(same)[0, 0]
    base = views["views"]
    assert index == 0
    assert not torch.equal(base[0], base[1])
    for other in (
        view_dataset(same, seed=1)[0, 0],
        view_dataset(same)[1, 0],
        view_dataset(same)[0, 1],
    ):
        assert not torch.equal(base, other[0]["views"])


def test_dataset_survives_pickling_as_spawned_workers_need(images):
    dataset = view_dataset(images)
    copy = pickle.loads(pickle.dumps(dataset))
    assert all(torch.equal(copy[0, i][0]["views"], dataset[0, i][0]["views"]) for i in range(24))


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_leaves_the_global_generators_alone(images, workers):
    torch.manual_seed(0)
    np.random.seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    epochs(images, workers)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()


def test_a_broken_off_epoch_goes_on_with_live_workers(images):
    feed = feed_of(images, 2)
    whole = epochs(images, 0)[1]
    for _ in feed.epoch(EpochPlan(1)):
        break
    rest = [as_views(batch["views"])[1] for batch in feed.epoch(EpochPlan(1, start_step=1))]
    assert all(torch.equal(a, b) for a, (_, b) in zip(rest, whole[1:], strict=True))


def plain(images, workers: int = 0, size: int = 10):
    feed = WorkerFeed(images, workers=workers)
    return feed.plain(images, none(CONTEXT), torch.arange(len(images)), size)


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_gives_every_image_once_in_order(images, workers):
    for _ in range(2):
        batches = list(plain(images, workers))
        assert torch.equal(torch.cat([index for _, index in batches]), torch.arange(24))
        pictures = torch.cat([views for views, _ in batches]).numpy()
        expected = (np.asarray(images.samples).transpose(0, 3, 1, 2) / 255 - 0.5) / 0.25
        np.testing.assert_allclose(pictures, expected, atol=1e-5)


class Spoilt:
    """Images one of which is bad, as files raise it."""

    def __init__(self, images, error: Exception) -> None:
        self.images, self.error = images, error

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        if index == 3:
            raise self.error
        return self.images[index]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", [BadImageError, ValueError, OSError])
def test_what_a_worker_raises_reads_as_without_workers(images, workers, kind):
    message = "Expected a readable image in x.png, but got: ValueError: no.\nTry: another."
    spoilt = dataclasses.replace(images, samples=Spoilt(images.samples, kind(message)))
    feed = feed_of(spoilt, workers)
    for loader in (feed.epoch(EpochPlan(0)), plain(spoilt, workers)):
        with pytest.raises(kind) as caught:
            list(loader)
        assert caught.type is kind and str(caught.value) == message
    with pytest.raises(kind):
        list(feed.epoch(EpochPlan(0)))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_blank_stands_in_for_an_image_that_is_gone(images, workers):
    spoilt = dataclasses.replace(images, samples=Spoilt(images.samples, GoneImageError("x", 3)))
    for some in (spoilt, images):
        ((views, index),) = plain(some, workers, 24)
        expected = torch.arange(24)
        if some is spoilt:
            expected[3] = ~3
            assert torch.equal(views[3], torch.full_like(views[3], -2.0)), "black, normalised"
        assert torch.equal(index, expected)
    (batch,) = feed_of(spoilt, workers, 24).epoch(EpochPlan(0))
    index = batch["views"].sample
    assert torch.where(index < 0, ~index, index).sort().values.tolist() == [
        i for i in range(24) for _ in range(2)
    ]
    assert index[index < 0].tolist() == [~3, ~3]


# -- groups


def test_groups_differ_in_size_views_and_samples(images):
    """One of large views, one of small ones, one that only some samples have."""
    small = ViewContext(8, 3, True, (0.5,) * 3, (0.25,) * 3)
    plans = [*groups(2), GroupPlan("local", simaugment(small), 3)]
    (batch,) = feed_of(images, 0, 24, plans).epoch(EpochPlan(0))
    assert list(batch) == ["views", "local"]
    assert batch["views"].x.shape == (48, 3, 12, 12) and batch["views"].views == 2
    assert batch["local"].x.shape == (72, 3, 8, 8) and batch["local"].samples == 24
    order = batch["views"].sample[:24]
    assert torch.equal(batch["local"].sample, order.repeat(3))
    alone = ViewDataset(images, plans, 0)
    for row, sample in enumerate(order.tolist()):
        views, _ = alone[0, sample]
        for name, group in batch.items():
            mine = group.x[row :: group.samples]
            assert torch.equal(mine, views[name])
    some = [({"a": torch.ones(1, 2)}, 4), ({"a": torch.ones(1, 2), "b": torch.zeros(2, 5)}, 7)]
    made = as_batch(some)
    assert made["a"].sample.tolist() == [4, 7] and made["b"].sample.tolist() == [7, 7]


def test_views_of_a_group_are_counted_through(images):
    """Two groups of one policy have the views that one group of all would have."""
    view = simaugment(CONTEXT)
    parts = ViewDataset(images, [GroupPlan("a", view), GroupPlan("b", view, 2)], 3)[5, 1][0]
    whole = ViewDataset(images, [GroupPlan("all", view, 3)], 3)[5, 1][0]
    assert torch.equal(torch.cat([parts["a"], parts["b"]]), whole["all"])


# -- which samples go where


def epoch_of(batches: EpochBatches, epoch: int, start_step: int = 0):
    batches.set_epoch(EpochPlan(epoch, start_step))
    return list(batches)


@st.composite
def sizes(draw):
    world = draw(st.integers(1, 4))
    batch_size = draw(st.integers(world, 17))
    drop_last = draw(st.booleans())
    count = draw(st.integers(batch_size if drop_last else 2 * world, 80))
    if not drop_last and 1 < count % batch_size < 2 * world:
        count += batch_size - count % batch_size  # a short batch that several processes merge
    return count, batch_size, world, drop_last


@settings(deadline=None)
@given(sizes(), st.integers(0, 3), st.integers(0, 2**40))
def test_ranks_together_have_the_batches_of_one_process(size, epoch, seed):
    count, batch_size, world, drop_last = size
    alone = epoch_of(EpochBatches(count, batch_size, seed=seed, drop_last=drop_last), epoch)
    parts = [
        epoch_of(
            EpochBatches(count, batch_size, seed=seed, rank=rank, world=world, drop_last=drop_last),
            epoch,
        )
        for rank in range(world)
    ]
    assert {len(part) for part in parts} == {len(alone)}
    for step, batch in enumerate(alone):
        shares = [part[step] for part in parts]
        assert all(shares)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        merged = [None] * len(batch)
        for rank, share in enumerate(shares):
            merged[rank::world] = share
        assert merged == batch


@settings(deadline=None)
@given(sizes(), st.integers(0, 3))
def test_every_index_once_an_epoch(size, epoch):
    count, batch_size, _, drop_last = size
    batches = EpochBatches(count, batch_size, seed=1, drop_last=drop_last)
    seen = [key for batch in epoch_of(batches, epoch) for key in batch]
    assert len(batches) == len(epoch_of(batches, epoch))
    assert {key[0] for key in seen} == {epoch}
    assert len(set(seen)) == len(seen)
    if drop_last:
        assert len(seen) == count // batch_size * batch_size
    else:
        assert sorted(key[1] for key in seen) == list(range(count))


@settings(deadline=None)
@given(sizes(), st.data())
def test_start_step_goes_on_exactly(size, data):
    count, batch_size, _, drop_last = size
    batches = EpochBatches(count, batch_size, seed=1, drop_last=drop_last)
    start = data.draw(st.integers(0, len(batches)))
    assert epoch_of(batches, 2, start) == epoch_of(batches, 2)[start:]
    assert len(batches) == len(epoch_of(batches, 2))  # a resumed epoch has as many steps


def test_order_is_the_permutation_of_seed_and_epoch():
    batches = EpochBatches(10, 10, seed=5)
    expected = np.random.default_rng(np.random.SeedSequence([5, 3])).permutation(10).tolist()
    assert epoch_of(batches, 3) == [[(3, index) for index in expected]]
    assert epoch_of(batches, 4) != epoch_of(batches, 3)


def test_another_order_may_repeat_a_sample_and_draws_it_anew(images):
    batches = EpochBatches(6, 3, seed=0)
    order = np.array([4, 4, 1, 4, 1, 2])
    batches.set_epoch(EpochPlan(2, order=order))
    assert list(batches) == [[(2, 4), (2, 4, 1), (2, 1)], [(2, 4, 2), (2, 1, 1), (2, 2)]]
    first, _ = feed_of(images, 0, 3).epoch(EpochPlan(2, order=order))
    views, index = as_views(first["views"])
    assert index.tolist() == [4, 4, 1]
    assert not torch.equal(views[0], views[1])


def test_an_order_holds_for_its_own_epoch():
    batches = EpochBatches(6, 3, seed=0)
    plain = epoch_of(batches, 1)
    batches.set_epoch(EpochPlan(0, order=np.zeros(9, dtype=np.int64)))
    assert len(batches) == len(list(batches)) == 3
    assert epoch_of(batches, 1) == plain
    assert len(batches) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"count": 3, "batch_size": 4}, "at least 4 samples"),
        ({"count": 1, "batch_size": 4, "drop_last": False}, "at least 2 samples"),
        ({"count": 3, "batch_size": 4, "world": 2, "drop_last": False}, "at least 4 samples"),
        ({"count": 9, "batch_size": 1, "world": 2}, "`batch_size`"),
        ({"count": 9, "batch_size": 4, "world": 2, "rank": 2}, "`rank`"),
        ({"count": 9, "batch_size": 4, "seed": -1}, "`seed`"),
    ],
)
def test_refuses_sizes_that_cannot_work(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        EpochBatches(**{"seed": 0, **arguments})


def test_refuses_to_guess_the_epoch():
    batches = EpochBatches(8, 4, seed=0)
    with pytest.raises(ValueError, match="set_epoch"):
        list(batches)
    with pytest.raises(ValueError, match="`start_step`"):
        batches.set_epoch(EpochPlan(0, start_step=3))
    with pytest.raises(ValueError, match="`epoch`"):
        batches.set_epoch(EpochPlan(-1))


@pytest.mark.parametrize(
    "order", [np.arange(6).reshape(2, 3), np.arange(6.0), np.array([0, 1, 2, 3, 4, -1])]
)
def test_refuses_an_unfit_order(order):
    with pytest.raises(ValueError, match="`order`"):
        EpochBatches(6, 3, seed=0).set_epoch(EpochPlan(0, order=order))


def test_dataset_refuses_no_views_and_a_negative_seed(images):
    with pytest.raises(ValueError, match="`views`"):
        ViewDataset(images, [], 0)
    with pytest.raises(ValueError, match="`seed`"):
        ViewDataset(images, groups(), -1)

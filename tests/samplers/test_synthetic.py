"""Samplers of synthetic samples: shares, quotas and captions, exactly."""

from dataclasses import replace

import numpy as np
import pytest

from supcon_ext.samplers.base import sampler
from tests.samplers.toy import data

BATCH = 12


def mixed(real=(20, 4), made=(6, 9), captions=5, untrusted=(), **others):
    """Real samples of two classes and synthetic ones after them, five captions in turn."""
    known = data(tuple(real), batch_size=BATCH, untrusted=untrusted, **others)
    count, further = len(known.label), sum(made)
    trusted = np.concatenate([known.trusted, np.ones(further, bool)])
    return replace(
        known,
        label=np.concatenate([known.label, np.repeat(np.arange(len(made)), made)]),
        trusted=trusted,
        synthetic=np.arange(count + further) >= count,
        columns={
            "caption": np.concatenate([np.full(count, -1), np.arange(further) % captions]),
        },
    )


@pytest.mark.parametrize("quota", ["uniform", "class", "missing", "caption"])
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_share_of_every_batch(quota, share) -> None:
    known = mixed()
    order = sampler.make("with_synthetic", share=share, quota=quota).order(known)
    real = ~known.synthetic[order]
    assert np.sort(order[real]).tolist() == list(range(24))
    beside = BATCH - round(share * BATCH)
    for start in range(0, len(order) - BATCH + 1, BATCH):
        assert real[start : start + BATCH].sum() == beside


def test_missing_fills_the_tail() -> None:
    """20 and 4 real ones: the first class lacks nothing, all synthetic rows are of the second."""
    known = mixed()
    order = sampler.make("with_synthetic", share=0.5, quota="missing").order(known)
    made = order[known.synthetic[order]]
    assert set(known.label[made]) == {1} and len(made) == 24
    visits = np.bincount(made)[-9:]
    assert visits.max() - visits.min() <= 1


def test_missing_counts_trusted_samples() -> None:
    """Of the first class 18 are not believed: it lacks two then, the second none."""
    known = mixed(untrusted=range(18))
    order = sampler.make("with_synthetic", share=0.5, quota="missing").order(known)
    assert set(known.label[order[known.synthetic[order]]]) == {0}


def test_untrusted_synthetic_samples_stay_out() -> None:
    known = mixed()
    known.trusted[-9:] = False
    for only, classes in (("trusted", {0}), ("all", {0, 1})):
        order = sampler.make("with_synthetic", share=0.5, only=only).order(known)
        assert set(known.label[order[known.synthetic[order]]]) == classes


def test_the_share_over_a_stage() -> None:
    made = sampler.make("with_synthetic", share=0.0, share_end=0.5)
    shares = []
    for epoch in range(5):
        known = mixed(epoch=epoch, epochs=5)
        order = made.order(known)
        shares.append(known.synthetic[order].mean())
    assert shares == pytest.approx([0, 1.5 / 12, 0.25, 4.5 / 12, 0.5], abs=0.05)


def test_no_synthetic_samples() -> None:
    with pytest.raises(ValueError, match=r"data\.synthetic"):
        sampler.make("with_synthetic").order(data((5, 5)))
    with pytest.raises(ValueError, match="caption"):
        sampler.make("captions").order(data((5, 5)))


@pytest.mark.parametrize("images", [2, 3, 4, 6])
def test_images_of_each_caption(images) -> None:
    """So many of each of batch / images captions; none twice while there are enough."""
    known = mixed(made=(15, 15), captions=6)
    order = sampler.make("captions", images=images).order(known)
    assert len(order) % BATCH == 0 and known.synthetic[order].all()
    for batch in order.reshape(-1, BATCH):
        captions, counts = np.unique(known.columns["caption"][batch], return_counts=True)
        assert counts.tolist() == [images] * (BATCH // images)
        assert len(np.unique(batch)) == min(BATCH, 5 * len(captions))
    captions = known.columns["caption"][order].reshape(-1, images)[:, 0]
    assert len(np.unique(captions)) == len(captions)


def test_too_few_captions() -> None:
    with pytest.raises(ValueError, match="at least 6 captions"):
        sampler.make("captions", images=2).order(mixed(captions=5))

"""Policies for vectors: exact draws, what each does, and what it never looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.vector_rows import VectorRows
from supcon_ext.policies.base import policy
from supcon_ext.policies.keyed import below, columns_of, hashed, uniform
from supcon_ext.policies.vector_statistics import vector_statistics
from supcon_ext.policies.vector_view import VectorContext, stored_view

N, V, F = 60, 3, 20
MASK = 2**64 - 1


def vectors(views: int = V) -> SampleSet:
    x = np.random.default_rng(0).normal(5.0, 2.0, (N, views, F)).astype(np.float32)
    label = np.arange(N) % 4
    return SampleSet(VectorRows(x), label, tuple("abcd"), spec=InputSpec.of_vectors(F))


def context(train: SampleSet) -> VectorContext:
    return VectorContext(F, *vector_statistics(train, seed=0), train)


def made(name: str, of: VectorContext, **settings: Any) -> Any:
    return policy.spec({"kind": name, **settings}).bind()(of)


def keys_of(samples: Tensor, epoch: int = 0, view: int = 0) -> Tensor:
    keys = torch.zeros(len(samples), 5, dtype=torch.int64)
    keys[:, 0], keys[:, 1], keys[:, 2], keys[:, 3] = 7, epoch, samples, view
    return keys


def stored(train: SampleSet) -> Tensor:
    return torch.from_numpy(np.stack([train[i].reshape(-1, F) for i in range(N)]))


def standardised(train: SampleSet) -> Tensor:
    x = stored(train).double()
    flat = x.flatten(0, 1)
    return ((x - flat.mean(0)) / flat.std(0, correction=0)).float()


def splitmix(state: int) -> int:
    """The published finaliser, in Python's own integers."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_bits_are_those_of_splitmix64() -> None:
    assert splitmix(0) == 0xE220A8397B1DCDAF  # the first output of the generator from seed 0
    rows = [(7, 0, 3, 1, 0), (2**32 - 1, 5, 2**40, 99, 2), (0, 0, 0, 0, 0)]
    found = hashed(columns_of(torch.tensor(rows)), 11)
    for row, bits in zip(rows, found.tolist(), strict=True):
        state = 11 * 0x9E3779B97F4A7C15 & MASK
        for number in row:
            state = splitmix(state ^ number)
        assert bits & MASK == state
        assert float(uniform(torch.tensor([bits]))) == (state >> 40) / 2**24
        assert int(below(torch.tensor([bits]), 10)) == (state >> 1) % 10


def test_statistics_are_those_of_all_stored_views() -> None:
    train = vectors()
    mean, std = vector_statistics(train, seed=0)
    flat = stored(train).double().flatten(0, 1)
    assert np.allclose(mean, flat.mean(0).numpy(), rtol=1e-12)
    assert np.allclose(std, flat.std(0, correction=0).numpy(), rtol=1e-9)
    some = vector_statistics(train, 10, seed=0)
    assert some == vector_statistics(train, 10, seed=0) != (mean, std)


def test_a_constant_coordinate_is_zero_and_no_division_by_zero() -> None:
    x = np.random.default_rng(0).normal(size=(N, F)).astype(np.float32)
    x[:, 3] = 7.25
    train = SampleSet(x, np.zeros(N, np.int64), ("a",))
    assert train.spec == InputSpec.of_vectors(F)
    view = made("none", context(train))
    assert float(view(x[0], (0,))[3]) == pytest.approx(0, abs=1e-5)


def test_none_is_the_first_stored_view_whatever_the_key() -> None:
    train = vectors()
    view = made("none", context(train))
    expected = standardised(train)[:, 0]
    for key in ((0,), (1, 2, 3, 4)):
        found = torch.stack([view(train[i], key) for i in range(N)])
        assert torch.allclose(found, expected, atol=1e-5)


def test_stored_views_are_drawn_alike_and_no_two_in_a_row_are_the_same() -> None:
    samples = torch.arange(4000)
    for views in (2, 3, 5):
        drawn = torch.stack(
            [
                torch.stack(
                    [stored_view(columns_of(keys_of(samples, e, v)), views) for v in range(4)]
                )
                for e in range(3)
            ]
        )
        counts = torch.bincount(drawn.flatten(), minlength=views) / drawn.numel()
        assert (counts - 1 / views).abs().max() < 0.02
        assert bool((drawn[:, 1:] != drawn[:, :-1]).all())
        assert 0 < (drawn[0, 0] == drawn[1, 0]).float().mean() < 0.6  # epochs differ
        pairs = drawn[:, 0] * views + drawn[:, 1]
        assert len(pairs.unique()) == views * (views - 1)  # every ordered pair comes


def test_a_stored_view_is_one_of_those_stored() -> None:
    train = vectors()
    view = made("stored_view", context(train))
    keys = keys_of(torch.arange(N))
    found = view.batch(stored(train), keys)
    which = stored_view(columns_of(keys), V)
    assert torch.allclose(found, standardised(train)[torch.arange(N), which], atol=1e-5)
    one = vectors(1)
    alone = made("stored_view", context(one)).batch(stored(one), keys)
    assert torch.equal(alone, made("none", context(one)).batch(stored(one), keys))


def test_gaussian_noise_has_the_spread_asked_for() -> None:
    train = vectors(1)
    x = stored(train).repeat(100, 1, 1)
    keys = keys_of(torch.arange(100 * N))
    plain = made("none", context(train)).batch(x, keys)
    noise = made("gaussian_noise", context(train), std=0.4).batch(x, keys) - plain
    assert abs(float(noise.mean())) < 0.01 and float(noise.std()) == pytest.approx(0.4, rel=0.02)
    assert float(noise.std(0).min()) > 0.37 and float(noise.std(1).mean()) > 0.35
    correlation = torch.corrcoef(noise.T) - torch.eye(F)
    assert float(correlation.abs().max()) < 0.07
    assert len(noise.unique(dim=0)) > 0.99 * len(noise)
    other = made("gaussian_noise", context(train), std=0.4).batch(x, keys_of(keys[:, 2], view=1))
    assert abs(float(((other - plain) * noise).mean())) < 0.01  # views of a sample: independent
    still = made("gaussian_noise", context(train), std=0.0).batch(x, keys)
    assert torch.equal(still, plain)


def test_mask_sets_the_share_asked_for_to_the_mean() -> None:
    train = vectors(1)
    x, keys = stored(train).repeat(50, 1, 1), keys_of(torch.arange(50 * N))
    plain = made("none", context(train)).batch(x, keys)
    found = made("mask", context(train), share=0.3).batch(x, keys)
    masked = found == 0
    assert float(masked.float().mean()) == pytest.approx(0.3, abs=0.01)
    assert torch.equal(found[~masked], plain[~masked])


def test_interpolation_goes_towards_near_neighbours_and_knows_no_labels() -> None:
    train = vectors(1)
    x, plain = stored(train), standardised(train)[:, 0]
    view = made("interpolate", context(train), neighbours=4, most=0.5)
    cosine = torch.nn.functional.normalize(plain, dim=1)
    cosine = (cosine @ cosine.T).fill_diagonal_(-2)
    near = cosine.topk(4, dim=1).indices
    seen, shares = [set() for _ in range(N)], []
    for epoch in range(40):
        moved = view.batch(x, keys_of(torch.arange(N), epoch)) - plain
        to = plain[near] - plain[:, None]  # (N, 4, F)
        share = (moved[:, None] * to).sum(2) / to.square().sum(2)
        off = (moved[:, None] - share[..., None] * to).norm(dim=2)
        who = off.argmin(1)
        rows = torch.arange(N)
        assert float(off[rows, who].max()) < 1e-3
        shares.append(share[rows, who])
        for sample, place in enumerate(who.tolist()):
            seen[sample].add(place)
    every = torch.cat(shares)
    assert -1e-4 < float(every.min()) < 0.02 and 0.48 < float(every.max()) < 0.5 + 1e-4
    assert float(every.mean()) == pytest.approx(0.25, abs=0.02)
    assert all(found == {0, 1, 2, 3} for found in seen)
    relabelled = replace(train, label=train.label[::-1].copy())
    other = made("interpolate", context(relabelled), neighbours=4, most=0.5)
    keys = keys_of(torch.arange(N))
    assert torch.equal(other.batch(x, keys), view.batch(x, keys))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("none", {"crop_fraction": 0.5}, "no argument `crop_fraction`"),
        ("mask", {"share": 1.0}, "less than 1"),
        ("gaussian_noise", {"std": -1.0}, "greater than or equal to 0"),
        ("interpolate", {"neighbours": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        made(name, context(vectors()), **settings)

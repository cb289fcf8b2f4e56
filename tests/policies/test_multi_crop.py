"""Multi-crop and StableRep's augmentation: sizes, kinds, how often a picture is resampled."""

from __future__ import annotations

import numpy as np
import pytest

from supcon_ext.policies.base import ViewContext, policy
from supcon_ext.policies.pipeline import Draws
from supcon_ext.policies.resampling import down_and_up

CONTEXT = ViewContext(32, 3, True, (0.5,) * 3, (0.25,) * 3)
DRAWN = np.random.default_rng(0)


@pytest.mark.parametrize(("side", "small"), [(224, 96), (32, 12), (16, 8), (8, 4), (256, 108)])
def test_local_crops_have_a_size_of_their_own(side: int, small: int) -> None:
    context = ViewContext(side, 3, True, (0.5,) * 3, (0.25,) * 3)
    image = DRAWN.integers(0, 256, (side, side, 3), np.uint8)
    local = policy.spec("multi_crop_local").bind()(context)
    assert local.shape == (3, small, small)
    assert local(image, (0, 1)).shape == (3, small, small)
    own = policy.spec({"kind": "multi_crop_local", "size": 20}).bind()(context)
    assert own(image, (0, 1)).shape == own.shape == (3, 20, 20)
    assert policy.spec("multi_crop_global").bind()(context).shape == (3, side, side)


@pytest.mark.parametrize(("kind", "low", "high"), [("global", 0.32, 1.0), ("local", 0.08, 0.32)])
def test_crops_keep_the_shares_of_the_area_that_they_say(
    kind: str, low: float, high: float
) -> None:
    """Of a picture whose red and green tell row and column, the span of a crop tells its area."""
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    image = np.stack([np.tile(ramp[:, None], (1, 256)), np.tile(ramp, (256, 1))], 2)
    image = np.concatenate([image, image[..., :1]], 2)
    plain = {"jitter": 0.0, "grey": 0.0}
    plain |= {"second": 1.0} if kind == "global" else {"blur": 0.0}
    context = ViewContext(256, 3, True, (0.0,) * 3, (1.0,) * 3)
    view = policy.spec({"kind": f"multi_crop_{kind}", **plain}).bind()(context)
    shares = []
    for number in range(60):
        crop = view(image, (0, 0, 0, number)).numpy()
        spans = [float(np.ptp(np.sort(crop[c].ravel()))) for c in (0, 1)]
        shares.append(spans[0] * spans[1])
    inside = [share for share in shares if low - 0.06 < share < high + 0.06]
    assert len(inside) >= (36 if kind == "global" else 60)  # a fifth of the first is solarised
    assert max(inside) - min(inside) > 0.5 * (high - low)


def test_the_two_kinds_of_global_crops() -> None:
    image = DRAWN.integers(0, 256, (32, 32, 3), np.uint8)
    plain = {"kind": "multi_crop_global", "jitter": 0.0, "grey": 0.0, "min_scale": 1.0}
    first = policy.spec({**plain, "second": 0.0}).bind()(CONTEXT)
    second = policy.spec({**plain, "second": 1.0}).bind()(CONTEXT)

    def roughness(view: object, number: int) -> float:
        pixels = view.pixels(image, (0, number)).astype(float)  # type: ignore[attr-defined]
        return float(np.abs(np.diff(pixels, axis=0)).mean())

    blurred = [roughness(first, n) < 70 for n in range(100)]
    others = [roughness(second, n) < 70 for n in range(100)]
    assert sum(blurred) > sum(others) + 40
    whole = np.full((32, 32, 3), 200, np.uint8)
    dark = [second.pixels(whole, (1, n)).mean() < 100 for n in range(200)]  # 255 - 200
    assert 20 <= sum(dark) <= 60
    assert not any(first.pixels(whole, (1, n)).mean() < 100 for n in range(50))


def test_going_down_and_up_happens_as_often_as_it_says_and_takes_the_details() -> None:
    (step,) = down_and_up(0.4)
    image = DRAWN.integers(0, 256, (32, 32, 3), np.uint8)
    before = image.copy()
    changed, sizes = 0, set()
    for number in range(300):
        made = step(image, Draws((number,)))
        assert made.shape == image.shape and made.dtype == image.dtype
        if not np.array_equal(made, image):
            changed += 1
            sizes.add(round(float(np.abs(np.diff(made.astype(float), axis=0)).mean()), 3))
    assert np.array_equal(image, before)
    assert 90 <= changed <= 150
    assert len(sizes) == 2  # a quarter of the side, and half of it
    assert down_and_up(0.0) == []


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "multi_crop_global", "min_scale": 0.9, "max_scale": 0.5},
        {"kind": "multi_crop_local", "min_scale": 0.5, "max_scale": 0.1},
    ],
    ids=str,
)
def test_scales_the_wrong_way_round(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="min_scale"):
        policy.spec(given).bind()(CONTEXT)

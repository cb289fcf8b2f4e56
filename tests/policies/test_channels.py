"""Every policy and every operation on every number of channels and every depth."""

from itertools import product

import numpy as np
import pytest
import torch

from supcon_ext.policies.base import ViewContext, policy
from supcon_ext.policies.operations import OPERATIONS, impossible, operate
from tests.made_pictures import DEPTHS, TOP

EVERY = [1, 2, 3, 4, 5, 8, 12, 16]
CASES = list(product(EVERY, DEPTHS))
SETTINGS = [
    *({"kind": name} for name in policy.that_take("image")),
    {"kind": "simaugment", "blur": 1.0},
    {"kind": "weak", "cutout": 0.5},
    {"kind": "autoaugment", "policy": "imagenet", "cutout": 0.3, "blur": 0.5},
    {"kind": "randaugment", "count": 3, "magnitude_std": 2.0},
]


def context_of(
    channels: int, depth: str, size: int = 16, scale: float | None = None
) -> ViewContext:
    mean = tuple(np.linspace(0.3, 0.6, channels).tolist())
    top = float(TOP[depth]) if scale is None else scale
    return ViewContext(size, channels, True, mean, (0.25,) * channels, depth, top)


def image_of(channels: int, depth: str, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    units = np.random.default_rng(0).random((*shape, channels))
    image = (units * TOP[depth]).astype(depth)
    image.flags.writeable = False
    return image


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_policy_on_every_kind_of_image(settings) -> None:
    for channels, depth in CASES:
        context, image = context_of(channels, depth), image_of(channels, depth)
        view = policy.spec(settings).bind()(context)
        low = (0 - torch.tensor(context.mean)) / 0.25
        high = (1 - torch.tensor(context.mean)) / 0.25
        for number in range(6):
            picture = view(image, (0, number))
            assert picture.shape == getattr(view, "shape", (channels, 16, 16))
            assert picture.dtype == torch.float32
            assert bool(torch.isfinite(picture).all())
            assert bool((picture.amin((1, 2)) >= low - 1e-4).all()), (channels, depth)
            assert bool((picture.amax((1, 2)) <= high + 1e-4).all()), (channels, depth)
            assert torch.equal(picture, view(image, (0, number)))


@pytest.mark.parametrize("depth", ["uint16", "float32"])
@pytest.mark.parametrize("name", ["none", "weak"])
def test_more_bits_show_the_same_picture(name: str, depth: str) -> None:
    """Of crops and flips, which interpolate little or nothing, the depth is invisible."""
    for channels in EVERY:
        eight = image_of(channels, "uint8", (16, 16))
        deep = (eight / 255 * TOP[depth]).astype(depth)
        for number in range(4):
            first = policy.spec({"kind": name}).bind()(context_of(channels, "uint8"))
            other = policy.spec({"kind": name}).bind()(context_of(channels, depth))
            assert torch.allclose(first(eight, (number,)), other(deep, (number,)), atol=1e-3)


def test_more_bits_are_kept_to_the_network() -> None:
    """Two values that 8 bits cannot tell apart stay two."""
    image = np.full((16, 16, 5), 30000, np.uint16)
    image[:8] += 1
    picture = policy.spec({"kind": "none"}).bind()(context_of(5, "uint16"))(image, (0,))
    step = float((picture[0, 0, 0] - picture[0, 15, 0]) * 0.25 * 65535)
    assert step == pytest.approx(1, abs=0.05)


def test_a_scale_says_what_white_is_and_cuts_there() -> None:
    image = np.array([[0, 2000, 4000, 9000]] * 4, np.uint16)[:, :, None]
    context = ViewContext(4, 1, False, (0.0,), (1.0,), "uint16", 4000.0)
    picture = policy.spec({"kind": "none"}).bind()(context)(image, (0,))
    np.testing.assert_allclose(picture[0, 0].numpy(), [0, 0.5, 1, 1], atol=1e-6)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_acts_on_each_channel_by_itself(name: str) -> None:
    for (channels, depth), level in product(CASES, (-0.7, 0.4)):
        if channels == 3 or depth == "uint16":
            continue  # as in colour, and as floats
        image, fill = image_of(channels, depth), tuple(range(channels))
        if name in impossible(context_of(channels, depth)):
            continue
        made = operate(name, image, level, fill)
        assert made.shape == image.shape and made.dtype == image.dtype
        for channel in range(channels):
            alone = operate(name, image[:, :, [channel]], level, (fill[channel],))
            np.testing.assert_array_equal(made[:, :, [channel]], alone)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"Posterize", "Equalize"}))
@pytest.mark.parametrize("channels", [1, 3])
def test_operations_in_units_agree_with_those_of_8_bits(name: str, channels: int) -> None:
    image, fill = image_of(channels, "uint8"), (10, 20, 30)[:channels]
    units = image.astype(np.float32) / 255
    for level in (-0.8, 0.3, 1.0):
        eight = operate(name, image, level, fill) / 255
        floats = operate(name, units, level, tuple(value / 255 for value in fill))
        far = np.abs(eight - floats) > 3 / 255
        assert far.mean() < (0.02 if name == "Solarize" else 0.002), level


def test_what_is_left_out_is_said() -> None:
    def left(kind: str, channels: int, depth: str) -> set[str]:
        return set(policy.spec({"kind": kind}).bind()(context_of(channels, depth)).left_out)

    for channels, depth in CASES:
        colour = set() if channels == 3 else {"Color"}
        bits = set() if depth == "uint8" else {"Posterize", "Equalize"}
        jitter = set() if channels == 3 else {"saturation", "hue", "to grey"}
        assert left("none", channels, depth) == left("weak", channels, depth) == set()
        assert left("simaugment", channels, depth) == jitter
        assert left("randaugment", channels, depth) == colour | bits
        assert left("autoaugment", channels, depth) == colour | bits
        assert left("stacked_randaugment", channels, depth) == colour | bits | jitter


def test_a_policy_that_is_nothing_without_colour_refuses() -> None:
    context_of(3, "uint8").require_colour("hues", "turning of hues")
    for channels in (1, 2, 4, 16):
        with pytest.raises(ValueError, match=rf"3 channels for policy hues.*got {channels}"):
            context_of(channels, "uint8").require_colour("hues", "turning of hues")


@pytest.mark.parametrize("channels", [0, 17])
def test_no_image_has_so_many_channels(channels: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        context_of(channels, "uint8")

"""Oracles: torchvision's functions, and histogram equalisation by its definition."""

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, InterpolationMode

from supcon_ext.policies.autoaugment import POLICIES
from supcon_ext.policies.operations import OPERATIONS

FILL = (10, 20, 30)
WARP = {"interpolation": InterpolationMode.BILINEAR, "fill": list(FILL)}
LEVELS = [-1.0, -0.5, 0.3, 1.0]
UNLEVELLED = {"AutoContrast", "Equalize", "Invert"}


def smooth_image(channels: int = 3, height: int = 40, width: int = 32):
    y, x = np.mgrid[:height, :width]
    phases = np.arange(channels)
    waves = np.sin(x[..., None] / 4 + phases) + np.cos(y[..., None] / 5 - 2 * phases)
    return (128 + 45 * waves).astype(np.uint8)


def equalised(image_HWC, level):
    """Histogram equalisation by its definition, a channel at a time."""
    result = np.empty_like(image_HWC)
    for channel in range(image_HWC.shape[2]):
        plane = image_HWC[..., channel]
        rank = np.cumsum(np.bincount(plane.ravel(), minlength=256))
        least = rank[plane.min()]
        result[..., channel] = np.round((rank[plane] - least) * 255 / (plane.size - least))
    return result


def torchvision(function):
    def reference(image_HWC, level):
        result_CHW = function(torch.from_numpy(image_HWC).permute(2, 0, 1), level)
        return result_CHW.permute(1, 2, 0).numpy()

    return reference


def shear(x: float, y: float):
    # Ours moves points, torchvision's angle moves the sampling grid.
    def function(t, v):
        degrees = -float(np.degrees(np.arctan(0.3 * v)))
        return F.affine(t, 0, [0, 0], 1, [x * degrees, y * degrees], center=[0, 0], **WARP)

    return torchvision(function)


def translate(x: float, y: float):
    def function(t, v):
        shift = [round(10 / 32 * v * x * t.shape[2]), round(10 / 32 * v * y * t.shape[1])]
        return F.affine(t, 0, shift, 1, [0, 0], **WARP)

    return torchvision(function)


# name -> (reference at a level, greatest difference in the interior, share of pixels that may
# exceed it: where a warp blends picture and fill colour, libraries differ)
ORACLES = {
    "Brightness": (torchvision(lambda t, v: F.adjust_brightness(t, 1 + 0.9 * v)), 1, 0),
    "Contrast": (torchvision(lambda t, v: F.adjust_contrast(t, 1 + 0.9 * v)), 1, 0),
    "Color": (torchvision(lambda t, v: F.adjust_saturation(t, 1 + 0.9 * v)), 2, 0),
    "Sharpness": (torchvision(lambda t, v: F.adjust_sharpness(t, 1 + 0.9 * v)), 2, 0),
    "Posterize": (torchvision(lambda t, v: F.posterize(t, 8 - round(4 * abs(v)))), 0, 0),
    "Solarize": (torchvision(lambda t, v: F.solarize(t, 256 * (1 - abs(v)))), 0, 0),
    "AutoContrast": (torchvision(lambda t, v: F.autocontrast(t)), 1, 0),
    "Invert": (torchvision(lambda t, v: F.invert(t)), 0, 0),
    "Identity": (torchvision(lambda t, v: t), 0, 0),
    "Equalize": (equalised, 1, 0),
    "Rotate": (torchvision(lambda t, v: F.rotate(t, 30 * v, **WARP)), 2, 0.12),
    "TranslateX": (translate(1, 0), 0, 0),
    "TranslateY": (translate(0, 1), 0, 0),
    "ShearX": (shear(1, 0), 2, 0.12),
    "ShearY": (shear(0, 1), 2, 0.12),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_oracle(name, level):
    reference, greatest, share = ORACLES[name]
    image = smooth_image()
    result = OPERATIONS[name](image, level, FILL).astype(int)
    difference = np.abs(result - reference(image, level))[1:-1, 1:-1]
    assert (difference > greatest).mean() <= share


def test_every_operation_has_an_oracle():
    assert set(ORACLES) == set(OPERATIONS)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_keeps_shape_and_input(name, channels):
    image = smooth_image(channels)
    image.flags.writeable = False
    for level in LEVELS:
        result = OPERATIONS[name](image, level, FILL[:channels])
        assert result.shape == image.shape
        assert result.dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - UNLEVELLED))
def test_level_zero_changes_nothing(name, channels):
    every_value = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(channels, axis=2)
    np.testing.assert_array_equal(OPERATIONS[name](every_value, 0.0, FILL[:channels]), every_value)


@pytest.mark.parametrize("name", ["TranslateX", "TranslateY"])
def test_translations_grow_with_the_image(name):
    def empty(side: int) -> float:
        white = np.full((side, side, 1), 255, dtype=np.uint8)
        return float((OPERATIONS[name](white, 0.5, (0,)) == 0).mean())

    assert empty(32) == pytest.approx(5 / 32)
    assert empty(64) == pytest.approx(10 / 64)
    assert empty(331) == pytest.approx(75 / 331)


def test_shift_leaves_the_fill_colour():
    white = np.full((20, 20, 3), 255, dtype=np.uint8)
    np.testing.assert_array_equal(OPERATIONS["TranslateX"](white, 1.0, FILL)[0, 0], FILL)


@pytest.mark.parametrize(
    ("name", "reference"),
    [("cifar10", AutoAugmentPolicy.CIFAR10), ("imagenet", AutoAugmentPolicy.IMAGENET)],
)
def test_learnt_policies_are_the_published_ones(name, reference):
    published = tuple(
        tuple((operation, p, magnitude or 0) for operation, p, magnitude in pair)
        for pair in AutoAugment(reference).policies
    )
    assert POLICIES[name] == published

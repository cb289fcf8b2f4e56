"""The image operations of AutoAugment and RandAugment, each with a level in [-1, 1].

Ranges are those of table 6 of Cubuk et al. 2019 (AutoAugment), written so that level 0 changes
nothing and the effect grows with the level's size; its sign is the direction, where there is one.
Translations are shares of the side (in whole pixels), so that all geometric ranges grow with the
image; shears leave the upper left corner where it is, as in the paper's code. AutoContrast,
Equalize and Invert have no level.

Images are uint8, or float32 in [0, 1] where they have more than 8 bits. Color needs three channels:
on others it does nothing. Posterize and Equalize need 8 bits: they are about the 256 values, and
are left out on others (:func:`impossible`). Everything else has a meaning in units of [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

from data_tools.samples import ImageArray
from supcon_ext.policies.base import RGB, SMALL_SIDE, ViewContext
from supcon_ext.policies.pipeline import albumentations

Fill = tuple[float, ...]
Operation = Callable[[ImageArray, float, Fill], ImageArray]

MAX_SHEAR = 0.3
MAX_TRANSLATION = 150 / 331  # pixels of the paper's 331 x 331 images
MAX_SMALL_TRANSLATION = 10 / 32  # of its code for CIFAR: two of them leave something to see
MAX_ROTATION = 30.0  # degrees
MAX_ENHANCEMENT = 0.9
MAX_LOST_BITS = 4


def _pixel() -> ModuleType:
    module: ModuleType = albumentations().augmentations.pixel.functional
    return module


def _affine(image: ImageArray, rows: tuple[tuple[float, ...], ...], fill: Fill) -> ImageArray:
    geometric = albumentations().augmentations.geometric.functional
    warped: ImageArray = geometric.warp_affine(
        image,
        np.array([*rows, (0.0, 0.0, 1.0)]),
        interpolation=1,  # linear, in OpenCV's numbers
        fill=fill,
        border_mode=0,  # constant, in OpenCV's numbers
        output_shape=image.shape[:2],
    )
    return warped


def _shear_x(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    shear = MAX_SHEAR * level
    return _affine(image, ((1.0, shear, shear / 2), (0.0, 1.0, 0.0)), fill)


def _shear_y(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    shear = MAX_SHEAR * level
    return _affine(image, ((1.0, 0.0, 0.0), (shear, 1.0, shear / 2)), fill)


def _translation(level: float, side: int) -> int:
    share = MAX_SMALL_TRANSLATION if side <= SMALL_SIDE else MAX_TRANSLATION
    return round(share * level * side)


def _translate_x(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    shift = _translation(level, image.shape[1])
    return _affine(image, ((1.0, 0.0, shift), (0.0, 1.0, 0.0)), fill)


def _translate_y(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    shift = _translation(level, image.shape[0])
    return _affine(image, ((1.0, 0.0, 0.0), (0.0, 1.0, shift)), fill)


def _rotate(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    angle = math.radians(MAX_ROTATION * level)
    cos, sin = math.cos(angle), math.sin(angle)
    y, x = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    rows = (
        (cos, sin, x - cos * x - sin * y),
        (-sin, cos, y + sin * x - cos * y),
    )
    return _affine(image, rows, fill)


def _brightness(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().adjust_brightness_torchvision(image, 1 + MAX_ENHANCEMENT * level)
    return result


def _contrast(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().adjust_contrast_torchvision(image, 1 + MAX_ENHANCEMENT * level)
    return result


def _color(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().adjust_saturation_torchvision(image, 1 + MAX_ENHANCEMENT * level)
    return result


def _sharpness(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    factor = 1 + MAX_ENHANCEMENT * level
    smooth = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13  # Pillow's smoothing kernel
    kernel = (1 - factor) * smooth
    kernel[1, 1] += factor
    result: ImageArray = _pixel().convolve(image, kernel=kernel)
    return result


def _posterize(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().posterize(image, 8 - round(MAX_LOST_BITS * abs(level)))
    return result


def _solarize(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().solarize(image, 256 * (1 - abs(level)) / 255)
    return result


def _autocontrast(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    if image.dtype != np.uint8:
        low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
        spread = np.where(high > low, high - low, 1)
        stretched: ImageArray = np.where(high > low, (image - low) / spread, image)
        return stretched
    result: ImageArray = _pixel().auto_contrast(image, cutoff=0, ignore=None, method="pil")
    return result


def _equalize(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().equalize(image, mode="cv")
    return result


def _invert(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    result: ImageArray = _pixel().invert(image)
    return result


def _identity(image: ImageArray, level: float, fill: Fill) -> ImageArray:
    return image


OPERATIONS: Mapping[str, Operation] = {
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
    "Rotate": _rotate,
    "Brightness": _brightness,
    "Contrast": _contrast,
    "Color": _color,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": _autocontrast,
    "Equalize": _equalize,
    "Invert": _invert,
    "Identity": _identity,
}

NEED_COLOUR = ("Color",)
NEED_EIGHT_BITS = ("Posterize", "Equalize")


def impossible(context: ViewContext) -> tuple[str, ...]:
    """Names of the operations that have no meaning on a data set's images."""
    return (
        *(() if context.colour else NEED_COLOUR),
        *(() if context.eight_bits else NEED_EIGHT_BITS),
    )


def operate(name: str, image: ImageArray, level: float, fill: Fill) -> ImageArray:
    """Apply an operation; where there are neither 1 nor 3 channels, to each channel by itself.

    Args:
        name: The operation's.
        image: ``(H, W, C)`` uint8, or float32 in [0, 1].
        level: In [-1, 1].
        fill: One value a channel, for pixels that are left empty.
    """
    operation = OPERATIONS[name]
    if image.shape[2] in (1, RGB):
        return operation(image, level, fill)
    planes = [
        operation(np.ascontiguousarray(image[:, :, c : c + 1]), level, fill[c : c + 1])
        for c in range(image.shape[2])
    ]
    return np.concatenate(planes, axis=2)

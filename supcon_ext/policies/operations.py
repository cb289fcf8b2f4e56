"""The image operations of AutoAugment and RandAugment, each with a level in [-1, 1].

Ranges are those of table 6 of Cubuk et al. 2019 (AutoAugment), written so that level 0 changes
nothing and the effect grows with the level's size; its sign is the direction, where there is one.
Translations are shares of the side (in whole pixels), so that all geometric ranges grow with the
image; shears leave the upper left corner where it is, as in the paper's code. AutoContrast,
Equalize and Invert have no level. On grey images Color does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

from data_tools.samples import ImageArray
from supcon_ext.policies.base import SMALL_SIDE
from supcon_ext.policies.pipeline import albumentations

Fill = tuple[int, ...]
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

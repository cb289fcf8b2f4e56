"""Scikit-learn's handwritten digits: real images that need no download."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from data_tools.arguments import check_between
from data_tools.datasets.base import Share, Splits, dataset
from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.validation import stratified_holdout


@dataset("digits")
def digits(
    *,
    size: Annotated[int, Field(ge=8)] = 16,
    resample: Literal["bilinear", "bicubic"] = "bilinear",
    test: Share = 0.3,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Splits:
    """Scikit-learn's 1,797 handwritten digits (8 x 8, grey), upscaled; nothing to download.

    Args:
        size: Height and width of the images in pixels, at least 8.
        resample: How the 8 x 8 pixels are upscaled.
        test: Share of the images that becomes the test set, the same share of each class.
        seed: Seed of that split.

    Returns:
        Grey images ``(size, size, 1)``; a mirrored digit is no digit, so ``flips`` is False.

    Raises:
        ValueError: ``size`` or ``test`` is out of bounds.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    check_between("size", size, 8, float("inf"), "16")
    check_between("test", test, 0, 0.99, "0.3")
    raw = load_digits()
    grey = np.round(raw.images * (255 / 16)).astype(np.uint8)
    filter_ = Image.Resampling[resample.upper()]
    large = np.stack(
        [np.asarray(Image.fromarray(image).resize((size, size), filter_)) for image in grey]
    )[..., None]
    label = raw.target.astype(np.int64)
    names = tuple(str(digit) for digit in range(10))
    kept, held = stratified_holdout(label, share=test, seed=seed)
    spec = InputSpec.of(large, flips=False)
    return Splits(
        train=SampleSet(large[kept], label[kept], names, spec=spec),
        test=SampleSet(large[held], label[held], names, spec=spec) if len(held) else None,
        truth_known=True,
    )

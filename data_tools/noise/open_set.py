"""Open-set noise: some images are of no class at all."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.arguments import check_between
from data_tools.datasets.base import Splits, dataset
from data_tools.noise.base import NoisyLabels, Rate, Seed, check_rate, noise, share_of
from data_tools.noise.symmetric import Redraw, redrawn, uniform_matrix
from data_tools.randomness import generator
from data_tools.registry import Part
from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet


@noise("open_set")
def open_set(
    train: SampleSet,
    *,
    rate: Rate,
    foreign: Annotated[Splits | str, Part("dataset")],
    share: Annotated[float, Field(ge=0, le=1)] = 0.5,
    redraw: Redraw = "inclusive",
    seed: Seed = 0,
) -> NoisyLabels:
    """Images replaced by another data set's, labels kept; the rest of the noise is symmetric.

    The true label of a replaced image is -1 (setting of SSR, Feng et al. 2022). floor(rate N)
    samples are hit, and floor(rate share N) of them are replaced (of the rounded number of hits in
    SSR's code, which may be one fewer).

    Args:
        train: The images with their true labels.
        rate: Share of the samples that are hit, open-set and symmetric together.
        foreign: Data set whose training images take the places; each is used once at most.
        share: Share of the samples hit that are replaced.
        redraw: How the labels of the others are redrawn, see ``symmetric``.
        seed: Seed of the draw.

    Returns:
        Labels and images; ``transition`` speaks of the images that were not replaced.

    Raises:
        ValueError: A share is outside [0, 1], there are too few foreign images, or they have
            another number of channels, or vectors of another width.
    """
    check_rate(rate)
    check_between("share", share, 0, 1, "0.5")
    other = dataset.make(foreign).train
    random = generator("noise", seed)
    hit = random.permutation(len(train))[: share_of(rate, len(train))]
    replaced, flipped = np.split(hit, [share_of(rate * share, len(train))])
    if len(replaced) > len(other):
        raise ValueError(
            f"Expected at least {len(replaced)} images of argument `foreign`, "
            f"but got {len(other)}. Try: a larger data set, or a smaller share."
        )
    if len(replaced) and _kind(train) != _kind(other):
        raise ValueError(
            f"Expected foreign samples with {_kind(train)}, "
            f"but got {_kind(other)}. Try: a data set of the same kind."
        )
    if len(replaced) and train.spec.kind == "vector" and train[0].shape != other[0].shape:
        raise ValueError(
            f"Expected foreign vectors of as many stored views, {train[0].shape}, but got "
            f"{other[0].shape}. Try: files embedded with one number of views."
        )
    classes = len(train.classes)
    label, truth = train.label.copy(), train.label.copy()
    label[flipped] = redrawn(label[flipped], classes, redraw, random)
    truth[replaced] = -1
    stand_in = random.permutation(len(other))[: len(replaced)]
    closed = rate * (1 - share) / (1 - rate * share) if rate * share < 1 else 0.0
    return NoisyLabels(
        label,
        truth,
        samples=Replaced(train.samples, other.samples, replaced, stand_in),
        transition=uniform_matrix(classes, closed, redraw),
    )


class Replaced:
    """Images some of which stand in for others, at the size of those.

    Args:
        samples: N images.
        foreign: Where the stand-ins come from.
        position: ``(n,)`` int64 places in ``samples`` that are replaced.
        stand_in: ``(n,)`` int64 places in ``foreign``.
    """

    def __init__(
        self,
        samples: SampleSequence,
        foreign: SampleSequence,
        position: IntArray,
        stand_in: IntArray,
    ) -> None:
        self.samples = samples
        self.foreign = foreign
        self.stand_in = dict(zip(position.tolist(), stand_in.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> ImageArray:
        image = self.samples[index]
        place = self.stand_in.get(index)
        if place is None:
            return image
        picture = self.foreign[place]
        return picture if picture.shape == image.shape else _resized(picture, image.shape)


def _kind(images: SampleSet) -> str:
    spec = images.spec
    if spec.kind == "vector":
        return f"vectors of {spec.channels} coordinates"
    return f"{spec.channels} channels, {spec.dtype} of scale {spec.scale:g}"


def _resized(picture: ImageArray, shape: tuple[int, ...]) -> ImageArray:
    from PIL import Image

    size = shape[1], shape[0]
    if picture.dtype == np.uint8 and picture.shape[2] in (1, 3):
        flat = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
        return np.asarray(flat.resize(size, Image.Resampling.BILINEAR)).reshape(shape)
    planes = [
        Image.fromarray(picture[:, :, channel].astype(np.float32)).resize(
            size, Image.Resampling.BILINEAR
        )
        for channel in range(picture.shape[2])
    ]
    resized = np.stack([np.asarray(plane) for plane in planes], axis=2)
    if picture.dtype.kind == "u":
        resized = resized.round()
    made: ImageArray = resized.astype(picture.dtype)
    return made

"""How samples become features: small standardised pixels, an encoder, or vectors as they are.

Shape letters: n samples, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.bad_image import BadImageError
from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet

SIDE = 16
BATCH = 128
FloatArray = npt.NDArray[np.float32]


@dataclass
class FeatureRows:
    """Features of samples, of which some cannot be read.

    Attributes:
        values: ``(n, F)`` float32, NaN where a sample cannot be read.
        faults: Why not, by the row.
    """

    values: FloatArray
    faults: dict[int, str] = field(default_factory=dict)


Extract = Callable[[SampleSequence, IntArray, Callable[[int, int], None] | None], FeatureRows]
"""Features of the samples at some places."""

Few = Callable[[list[ImageArray]], FloatArray]


def extractor(
    real: SampleSet,
    index: IntArray,
    encoder: str | None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Extract, FloatArray]:
    """What makes features of samples like the real ones, and the features of the real ones.

    Args:
        real: Real training samples.
        index: Those of them that are read, and that pixels are standardised by.
        encoder: A finished run or ``timm:NAME``; None for pixels.
        progress: Told how many samples of all are done.

    Raises:
        ValueError: There is no such encoder, it is for no vectors, or a real sample is bad.
    """
    few = _few(real.spec, encoder)

    def plain(
        samples: SampleSequence, places: IntArray, told: Callable[[int, int], None] | None
    ) -> FeatureRows:
        parts, faults, done = [], {}, 0
        for good, broken in _batches(samples, places):
            values = np.full((len(good), width), np.nan, dtype=np.float32)
            read = [row for row, sample in enumerate(good) if sample is not None]
            if read:
                values[read] = few([sample for sample in good if sample is not None])
            parts.append(values)
            faults.update({done + row: fault for row, fault in broken.items()})
            done += len(good)
            if told is not None:
                told(done, len(places))
        empty = np.empty((0, width), dtype=np.float32)
        return FeatureRows(np.concatenate([empty, *parts]), faults)

    width = few([real.samples[int(index[0])]]).shape[1]
    found = plain(real.samples, index, progress)
    if found.faults:
        raise ValueError(next(iter(found.faults.values())))
    if encoder is not None or real.spec.kind == "vector":
        return plain, found.values
    mean, std = found.values.mean(0), found.values.std(0)
    std[std < 1e-6] = 1.0  # a pixel that is the same in all real pictures says nothing

    def standardised(
        samples: SampleSequence, places: IntArray, told: Callable[[int, int], None] | None
    ) -> FeatureRows:
        rows = plain(samples, places, told)
        return FeatureRows((rows.values - mean) / std, rows.faults)

    return standardised, (found.values - mean) / std


def _batches(
    samples: SampleSequence, places: IntArray
) -> Iterator[tuple[list[ImageArray | None], dict[int, str]]]:
    """Samples, None where one cannot be read, and why."""
    for start in range(0, len(places), BATCH):
        read: list[ImageArray | None] = []
        faults = {}
        for row, place in enumerate(places[start : start + BATCH].tolist()):
            try:
                read.append(samples[place])
            except BadImageError as error:
                read.append(None)
                faults[row] = str(error)
        yield read, faults


def _few(spec: InputSpec, encoder: str | None) -> Few:
    if spec.kind == "vector":
        if encoder is not None:
            raise ValueError(
                f"Expected no encoder for vectors, which are features as they are, but got "
                f"{encoder}. Try: `encoder: null`."
            )
        return _vectors
    if encoder is None:
        return lambda pictures: np.stack([_small(picture, spec) for picture in pictures])
    return _by_encoder(encoder, spec)


def _vectors(rows: Sequence[ImageArray]) -> FloatArray:
    kept: list[npt.NDArray[Any]] = [np.asarray(row, dtype=np.float32) for row in rows]
    return np.stack([row.mean(0) if row.ndim == 2 else row for row in kept])


def _small(picture: ImageArray, spec: InputSpec) -> FloatArray:
    """Pixels of a picture brought to one size, whatever its sides were to each other."""
    import cv2

    units = spec.units(picture)
    small = [  # one by one, since OpenCV takes four at most
        cv2.resize(channel, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for channel in np.moveaxis(units, 2, 0)
    ]
    flat: FloatArray = np.asarray(small, dtype=np.float32).reshape(-1)
    return flat


def _by_encoder(name: str, spec: InputSpec) -> Few:
    import torch

    from data_tools.registry import family
    from supcon_ext.embed.encoder import PLAIN, find_encoder
    from supcon_ext.experiment.checked_parts import view_of

    encoder = find_encoder(name)(spec.channels)
    policy = encoder.settled(family("policy").spec(PLAIN))
    view = view_of(policy, encoder.context(spec))
    there = torch.accelerator.is_available()
    device = torch.accelerator.current_accelerator() if there else torch.device("cpu")
    network = encoder.network.to(device)

    def few(pictures: list[ImageArray]) -> FloatArray:
        with torch.inference_mode():
            x = torch.stack([view(picture, (0, 0)) for picture in pictures])
            features: FloatArray = network(x.to(device)).float().cpu().numpy()
        return features

    return few

"""Batches of several images of each of many captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler


@sampler("captions")
class Captions:
    """Batches of so many images of each of batch_size / images captions (StableRep; SynCLR).

    Every caption comes once an epoch, and a batch never has one twice; its images of the epoch are
    drawn without replacement. A caption with fewer images gives each once and starts anew, so that
    an image may come twice, with other views. Captions that fill no whole batch are left to the
    next epoch, whose order is another.

    Args:
        images: Images of a caption in a batch: 6 of 10 in StableRep, all 4 in SynCLR; a divisor of
            the batch size.
        only: ``all`` images with a caption, or the ``trusted`` ones.

    Raises:
        ValueError: ``images`` is below 1.
    """

    def __init__(
        self,
        images: Annotated[int, Field(ge=1)] = 4,
        only: Literal["all", "trusted"] = "all",
    ) -> None:
        if images < 1:
            raise ValueError(
                f"Expected an integer of at least 1 of argument `images`, but got {images}. Try: 4."
            )
        self.images = images
        self.only = only

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> list[tuple[tuple[str, ...], str]]:
        """A batch size that the images of a caption do not divide, or no synthetic images."""
        found: list[tuple[tuple[str, ...], str]] = []
        if not recipe.get("data", {}).get("synthetic"):
            found.append(((), "Expected `data.synthetic`, whose images have captions"))
        size, images = stage["batch_size"], params["images"]
        if size % images:
            found.append(
                (("images",), f"Expected a divisor of the batch size {size}, but got {images}")
            )
        return found

    def order(self, data: SamplerInput) -> IntArray:
        """The epoch's rows, batch after batch.

        Raises:
            ValueError: There are no captions, or fewer than a batch needs.
        """
        caption = data.columns.get("caption")
        if caption is None:
            raise ValueError(
                "Expected a column `caption` of the samples beside sampler `captions`, but got "
                "none. Try: data.synthetic with captions"
            )
        usable = caption >= 0
        if self.only == "trusted":
            usable = usable & data.trusted
        places = np.flatnonzero(usable)
        values = np.unique(caption[places])
        a_batch = data.batch_size // self.images
        batches = len(values) // a_batch
        if not batches:
            raise ValueError(
                f"Expected at least {a_batch} captions, {self.images} images of each of which make "
                f"a batch of {data.batch_size}, but got {len(values)}. Try: a smaller batch_size, "
                "or more images of a caption"
            )
        chosen = data.generator.permutation(values)[: batches * a_batch]
        ordered = places[np.argsort(caption[places], kind="stable")]
        start = np.searchsorted(caption[ordered], chosen, side="left")
        stop = np.searchsorted(caption[ordered], chosen, side="right")
        rows = [
            self._draw(ordered[first:last], data)
            for first, last in zip(start.tolist(), stop.tolist(), strict=True)
        ]
        return np.concatenate(rows)

    def _draw(self, members: IntArray, data: SamplerInput) -> IntArray:
        rounds = -(-self.images // len(members))
        drawn = [data.generator.permutation(members) for _ in range(rounds)]
        return np.concatenate(drawn)[: self.images]

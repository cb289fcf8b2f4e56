"""Batches of a few samples of each of many classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import believed_by_class
from supcon_ext.samplers.visit_in_rounds import visit_in_rounds

logger = logging.getLogger(__name__)


@sampler("m_per_class")
class MPerClass:
    """Batches of exactly M samples of each of batch_size / M different classes.

    Classes are drawn without replacement until all have come, then anew; within a class, samples
    take turns in the same way. An epoch has as many whole batches as the samples that take part
    fill, at least one: those that are trusted and have a known label. The others cannot stand in
    such a batch; the log says how many they are. Where there are fewer classes than a batch needs,
    every class is in every batch, with as equal numbers as can be, and the log says so. Views of a
    sample that comes twice in a batch share its ``index``, as with every sampler.

    Args:
        samples: M, samples of a class in a batch; a divisor of the batch size.

    Raises:
        ValueError: ``samples`` is below 1.
    """

    def __init__(self, samples: Annotated[int, Field(ge=1)] = 4) -> None:
        if samples < 1:
            raise ValueError(
                f"Expected an integer of at least 1 of argument `samples`, but got {samples}. "
                "Try: 4."
            )
        self.samples = samples

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> list[tuple[tuple[str, ...], str]]:
        """A batch size that M does not divide."""
        size, samples = stage["batch_size"], params["samples"]
        if size % samples == 0:
            return []
        return [(("samples",), f"Expected a divisor of the batch size {size}, but got {samples}")]

    def order(self, data: SamplerInput) -> IntArray:
        """The epoch's rows, batch after batch: ``(batches * batch_size,)`` int64.

        Raises:
            ValueError: M does not divide the batch size.
        """
        size = data.batch_size
        if size % self.samples:
            raise ValueError(
                f"Expected a divisor of the batch size {size} of argument `samples`, but got "
                f"{self.samples}. Try: 1, 2 or 4."
            )
        members = believed_by_class(data)
        if not members:
            return np.zeros(0, dtype=np.int64)
        taking_part = sum(len(part) for part in members)
        if taking_part < len(data.label):
            logger.info(
                "m_per_class leaves out %d of %d samples, which are not trusted or have no label",
                len(data.label) - taking_part,
                len(data.label),
            )
        rows = self._classes_by_row(len(members), max(1, taking_part // size), data)
        order = np.empty(len(rows), dtype=np.int64)
        places = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=len(members))
        for part, place in zip(members, np.split(places, np.cumsum(counts)[:-1]), strict=True):
            order[place] = visit_in_rounds(part, place // size, data.generator)
        return order

    def _classes_by_row(self, classes: int, batches: int, data: SamplerInput) -> IntArray:
        """``(batches * batch_size,)`` int64: the class of each row."""
        wanted = data.batch_size // self.samples
        every = np.arange(classes)
        if classes >= wanted:
            drawn = visit_in_rounds(every, np.repeat(np.arange(batches), wanted), data.generator)
            return np.repeat(drawn, self.samples)
        logger.warning(
            "Expected at least %d classes for %d samples of each in a batch of %d, but got %d: "
            "each batch has all of them, with more samples of each",
            wanted,
            self.samples,
            data.batch_size,
            classes,
        )
        return visit_in_rounds(
            every, np.repeat(np.arange(batches), data.batch_size), data.generator
        )

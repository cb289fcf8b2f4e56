"""Batches of real samples with a share of synthetic ones."""

from __future__ import annotations

import logging
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from data_tools.registry import Part
from data_tools.samples import IntArray
from supcon_ext.samplers.base import Sampler, SamplerInput, asked_order, sampler
from supcon_ext.samplers.by_class import whole_rows
from supcon_ext.samplers.visit_in_rounds import visit_in_rounds

logger = logging.getLogger(__name__)


@sampler("with_synthetic")
class WithSynthetic:
    """Every batch has a share of synthetic samples beside real ones.

    A sampler of any kind orders the real samples; an epoch is one pass of it. Synthetic samples
    join each batch: they take turns, so that none comes again before all of its pool have come.
    Those that a selector does not trust are left out where ``only`` says so.

    Args:
        real: Orders the real samples.
        share: Of synthetic samples in a batch.
        share_end: That at the stage's end, reached linearly; null keeps ``share``.
        quota: Which of them: ``uniform`` over samples; ``class``, as many of each class;
            ``missing``, of each class in proportion to what it lacks of the largest class's trusted
            real samples, so that rare classes are filled; ``caption``, as many of each caption.
        only: ``all`` synthetic samples, or those ``trusted``.

    Raises:
        ValueError: The shares leave no room for real samples.
    """

    def __init__(
        self,
        real: Annotated[Sampler | str, Part("sampler")] = "shuffled",
        share: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        share_end: Annotated[float, Field(ge=0, lt=1)] | None = None,
        quota: Literal["uniform", "class", "missing", "caption"] = "uniform",
        only: Literal["all", "trusted"] = "trusted",
    ) -> None:
        self.real: Sampler = sampler.make(real)
        self.share = share
        self.share_end = share_end
        self.quota = quota
        self.only = only

    def order(self, data: SamplerInput) -> IntArray:
        """The epoch's rows, batch after batch.

        Raises:
            ValueError: A batch has no room for a real sample.
        """
        if data.synthetic is None:
            raise ValueError(
                "Expected synthetic samples beside sampler `with_synthetic`, but got none. "
                "Try: data.synthetic, or another sampler"
            )
        wanted = round(self.share_at(data.epoch, data.epochs) * data.batch_size)
        beside = data.batch_size - wanted
        if beside < 1:
            raise ValueError(
                f"Expected room for a real sample in a batch of {data.batch_size}, but a share of "
                f"{self.share} leaves none. Try: a smaller share, or larger batches"
            )
        places = np.flatnonzero(~data.synthetic)
        real = places[asked_order(self.real, data.take(places, beside))]
        batches = -(-len(real) // beside)
        if not wanted or not batches:
            return real
        joined = self._synthetic(data, batches, wanted)
        rows = [
            np.concatenate([real[k * beside : (k + 1) * beside], joined[k]]) for k in range(batches)
        ]
        # a last batch that is short of real samples has its share of synthetic ones, and no more
        short = len(real) - (batches - 1) * beside
        if short < beside:
            rows[-1] = np.concatenate([real[-short:], joined[-1][: round(wanted * short / beside)]])
        return np.concatenate([data.generator.permutation(row) for row in rows])

    def share_at(self, epoch: int, epochs: int) -> float:
        """Share of synthetic samples in the batches of an epoch."""
        end = self.share if self.share_end is None else self.share_end
        return self.share + (end - self.share) * epoch / max(1, epochs - 1)

    def _synthetic(self, data: SamplerInput, batches: int, wanted: int) -> list[IntArray]:
        """``wanted`` places for each batch; fewer where nothing is left to draw."""
        usable = np.asarray(data.synthetic)
        if self.only == "trusted":
            usable = usable & data.trusted
        pools, shares = self._pools(data, np.flatnonzero(usable))
        if not pools:
            logger.warning("no synthetic sample is trusted: this epoch has real ones only")
            return [np.zeros(0, dtype=np.int64)] * batches
        rows = whole_rows(shares, batches * wanted, data.generator)
        pool = data.generator.permutation(np.repeat(np.arange(len(pools)), rows))
        drawn = np.empty(len(pool), dtype=np.int64)
        for number, members in enumerate(pools):
            place = np.flatnonzero(pool == number)
            drawn[place] = visit_in_rounds(members, place // wanted, data.generator)
        return list(drawn.reshape(batches, wanted))

    def _pools(self, data: SamplerInput, places: IntArray) -> tuple[list[IntArray], np.ndarray]:
        """Groups of synthetic samples, and each one's share."""
        if self.quota == "uniform":
            return ([places] if len(places) else []), np.ones(1)
        by = data.label if self.quota != "caption" else data.columns["caption"]
        known = places[by[places] >= 0]
        values = np.unique(by[known])
        if self.quota != "missing":
            return [known[by[known] == value] for value in values], np.ones(len(values))
        real = ~np.asarray(data.synthetic) & data.trusted & (data.label >= 0)
        counts = np.bincount(data.label[real], minlength=data.classes)
        lacking = (counts.max() - counts)[values].astype(float)
        filled = values[lacking > 0]
        return [known[by[known] == value] for value in filled], lacking[lacking > 0]

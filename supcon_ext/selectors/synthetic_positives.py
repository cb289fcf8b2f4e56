"""Positives by view, parent, caption and class: where synthetic images stand among real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.losses.counts import quality
from supcon_ext.losses.factors import Factors, label_code
from supcon_ext.losses.rows import PairTile, Rows, Source
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector
from supcon_ext.selectors.base import selector as selectors
from supcon_ext.stage_epochs import StageEpochs

Weight = Annotated[float, Field(ge=0)]


@selector("synthetic_positives")
class SyntheticPositives(PositiveSelector):
    """Weighs pairs by what they share, where some of the images are synthetic.

        t_ia = join(view [same sample], parent [same parent], caption [same caption],
                    class_ s_ia) q_a lambda_ia

    s_ia are another selector's targets, by the class; q_a is the contrast's quality (1 of a real
    one); lambda_ia is 1 between two real or two synthetic images and ``across`` between one of
    each. A real image is its own parent, so that an image made from it shares its parent. A weight
    of 0 is no positive.

    With ``class_: 0`` and ``caption: 1`` this is StableRep's and SynCLR's rule (Tian et al. 2023):
    positives share the caption. With ``caption: 0`` too it is SimCLR's. Everything else the loss
    and the weighting decide: a synthetic contrast is a negative like any other.

    Args:
        selector: Judges pairs by their class; it sees synthetic samples of a known class as any
            others, and may disbelieve them.
        view: Weight of another view of the same sample.
        parent: Weight of a sample made from the same real one, or that one itself.
        caption: Weight of the same caption.
        class_: Factor on what ``selector`` says.
        across: lambda, factor where one of the two is real and the other synthetic.
        across_end: lambda at the end of ``across_epochs``, reached linearly; null keeps ``across``.
        across_epochs: Epochs of the stage over which it goes there.
        join: The ``largest`` of the four, or their ``sum``.
        other_caption: What a pair of one class is whose captions are both known and differ:
            ``positive``; ``soft``, weighed by ``soft``; ``negative``; ``ignored``, neither, which
            takes it out of the denominator.
        soft: Factor on such a pair with ``other_caption: soft``.
    """

    def __init__(
        self,
        selector: Annotated[PositiveSelector | str, Part("selector")] = "label",
        view: Weight = 1.0,
        parent: Weight = 1.0,
        caption: Weight = 1.0,
        class_: Weight = 1.0,
        across: Weight = 1.0,
        across_end: Weight | None = None,
        across_epochs: Annotated[
            int,
            Field(ge=1),
            StageEpochs("`across_end` is not reached", begins=False, beside="across_end"),
        ] = 1,
        join: Literal["largest", "sum"] = "largest",
        other_caption: Literal["positive", "soft", "negative", "ignored"] = "positive",
        soft: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        self.inner = selectors.make(selector)
        self.view, self.parent, self.caption, self.class_ = view, parent, caption, class_
        self.across, self.across_end, self.across_epochs = across, across_end, across_epochs
        self.join = join
        self.other_caption = other_caption
        self.soft = soft
        self.now = across
        self.ignores = other_caption == "ignored"
        self.requires = self.inner.requires
        self.provides = self.inner.provides

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Lambda of the epoch; what the inner selector believes."""
        end = self.across if self.across_end is None else self.across_end
        self.now = self.across + (end - self.across) * min(1.0, epoch / self.across_epochs)
        return ask(self.inner, bank, epoch)

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` floats."""
        dtype = pairs.similarity_AK.dtype
        shared = [
            self.view * pairs.same("index").to(dtype),
            self.parent * _same(pairs, "parent").to(dtype),
            self.caption * _same(pairs, "caption").to(dtype),
        ]
        if self.class_:
            shared.append(self._by_class(pairs).to(dtype))
        found = torch.stack(shared)
        joined = found.sum(0) if self.join == "sum" else found.amax(0)
        good = quality(pairs.contrasts).to(dtype)
        return joined * good[None, :] * self._across(pairs).to(dtype)

    def neutral(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool: pairs of one class and other captions, which are ignored."""
        return pairs.same("label") & _other_captions(pairs)

    def factors(self, views: Rows) -> Factors | None:
        """The caption, else the sample, where nothing else is a positive."""
        captions = not self.class_ and not self.parent and self.view == self.caption
        if not captions or self.now != 1 or self.join == "sum" or "caption" not in views.columns:
            return None
        caption = views.column("caption")
        code = torch.where(caption >= 0, caption, views.label.new_tensor(-1))
        return Factors(label_code(replace(views, label=code)), self.view * quality(views))

    def _by_class(self, pairs: PairTile) -> Tensor:
        """What the inner selector says of pairs, less where captions differ.

        The views of one sample are counted by ``view``, whatever the inner selector says of them.
        """
        dtype = pairs.similarity_AK.dtype
        told = self.inner.targets(pairs).to(dtype) * (pairs.same("label") | ~pairs.same("index"))
        factor = {"positive": 1.0, "soft": self.soft}.get(self.other_caption, 0.0)
        if factor < 1:
            told = torch.where(_other_captions(pairs), factor * told, told)
        return self.class_ * told

    def _across(self, pairs: PairTile) -> Tensor:
        sources = [_is_synthetic(rows) for rows in (pairs.anchors, pairs.contrasts)]
        differ = sources[0][:, None] != sources[1][None, :]
        return torch.where(differ, self.now, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Lambda now, and the inner selector's state."""
        return {"now": self.now, "inner": self.inner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.now = state["now"]
        self.inner.load_state_dict(state["inner"])


def _same(pairs: PairTile, name: str) -> Tensor:
    """Whether both share a column that rows need not have: a set without synthetic samples."""
    if any(name not in rows.columns for rows in (pairs.anchors, pairs.contrasts)):
        return torch.zeros_like(pairs.similarity_AK, dtype=torch.bool)
    return pairs.same(name)


def _other_captions(pairs: PairTile) -> Tensor:
    if any("caption" not in rows.columns for rows in (pairs.anchors, pairs.contrasts)):
        return torch.zeros_like(pairs.similarity_AK, dtype=torch.bool)
    anchor, contrast = pairs.anchors.column("caption"), pairs.contrasts.column("caption")
    known = (anchor >= 0)[:, None] & (contrast >= 0)[None, :]
    return known & (anchor[:, None] != contrast[None, :])


def _is_synthetic(rows: Rows) -> Tensor:
    """``(N,)`` bool; a key in the queue is what its sample is, which its parent tells.

    A real sample is its own parent; a prototype stands with the real ones.
    """
    synthetic = rows.source == int(Source.SYNTHETIC)
    if "parent" not in rows.columns:
        return synthetic
    queued = rows.source == int(Source.QUEUE)
    return synthetic | (queued & (rows.column("parent") != rows.index))

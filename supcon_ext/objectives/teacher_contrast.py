"""The contrast against a teacher: the student's rows are anchors, the EMA twin's are contrasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.losses.gather import global_mean
from supcon_ext.losses.rows import Rows
from supcon_ext.losses.supcon import LossResult, SupConLoss
from supcon_ext.objectives.base import (
    GroupRows,
    StepBatch,
    TermResult,
    term,
    view_problems,
)
from supcon_ext.objectives.batch import Samples
from supcon_ext.objectives.passes import Pass
from supcon_ext.objectives.selecting import SelectingTerm
from supcon_ext.objectives.weighed import anchors_of, weighting_step
from supcon_ext.selectors.base import PositiveSelector
from supcon_ext.stage_epochs import StageEpochs
from supcon_ext.weightings.base import Weighting
from supcon_ext.weightings.beside import weighting_beside


@term("teacher_contrast")
class TeacherContrast(SelectingTerm):
    """Multi-positive contrast against the EMA twin's projections (SynCLR, Tian et al. 2023, eq. 4).

        L(global) + mean over local views l of L(l)

    Anchors of L(global) are the student's rows of ``views``, contrasts the twin's projections of
    the same rows, of all processes and without gradient. As in the authors' code, the pair of a
    view with the twin's encoding of the same view is no positive and in no denominator. Anchors of
    L(l) are the student's rows of one view of ``local_views``, which the twin never sees; their
    contrasts are the same projections, and here the twin's view of the same image counts like any
    other positive (the code's default; local crops alone have a positive even where every image has
    a group of its own).

    Works with any selector and weighting. A weighting that corrects for the anchor's place among
    the contrasts (``balanced``) does so for local anchors too, whose place the twin's first view of
    their image has.

    Args:
        selector: Which pairs are positives.
        weighting: How much contrasts and anchors weigh.
        temperature: tau; 0.08 in SynCLR, 0.1 in its code.
        form: ``out`` (Khosla et al. 2020, eq. 2) or ``in`` (eq. 3).
        query: What of the student is an anchor: its ``projector``'s rows or its ``predictor``'s
            (``model.predictor``).
        local_views: View group whose rows are further anchors; null for none.
        samples: Which samples are anchors: ``all``, the ``confident`` ones, which are trusted above
            0.5, or the ``unconfident`` others.
        positives_cap: Largest number of positives of an anchor beside its own image's views and its
            class's prototype or target, drawn anew in each step; null for no cap.
        surplus: What positives over the cap are: ``dropped``, or ``negative``.
        rejected: What a pair with the same label is that the selector does not take: ``negative``,
            or ``neutral``, out of the denominator.
        scale: Factor on the loss: ``none``, ``temperature``, or a number.
        refresh_every: Epochs between two selections.
        refresh_from: Epochs of the stage before the first selection; until then all are trusted.
        min_per_class: Samples of each class that stay trusted at least, those of the largest score,
            with a warning.
    """

    def __init__(
        self,
        selector: Annotated[PositiveSelector | str, Part("selector")] = "label",
        weighting: Annotated[Weighting | str, Part("weighting")] = "uniform",
        temperature: Annotated[float, Field(gt=0)] = 0.1,
        form: Literal["out", "in"] = "out",
        query: Literal["projector", "predictor"] = "projector",
        local_views: str | None = None,
        samples: Samples = "all",
        positives_cap: Annotated[int, Field(ge=0)] | None = None,
        surplus: Literal["dropped", "negative"] = "dropped",
        rejected: Literal["negative", "neutral"] = "negative",
        scale: Literal["none", "temperature"] | Annotated[float, Field(gt=0)] = "none",
        refresh_every: Annotated[int, Field(ge=1)] = 1,
        refresh_from: Annotated[
            int, Field(ge=0), StageEpochs("nothing is selected and every label trusted")
        ] = 0,
        min_per_class: Annotated[int, Field(ge=0)] = 1,
    ) -> None:
        super().__init__(selector, refresh_every, refresh_from, min_per_class)
        self.loss = SupConLoss(
            temperature,
            form,
            self.selector,
            weighting_beside(self.selector, weighting),
            positives_cap=positives_cap,
            surplus=surplus,
            rejected=rejected,
            scale=scale,
        )
        self.query = query
        self.local_views = local_views
        self.samples: Samples = samples

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is wrong between this term and its stage."""
        yield from view_problems(params, stage)
        local = params.get("local_views")
        if local is not None:
            for _, message in view_problems({"views": local}, stage):
                yield ("local_views",), message
            if params.get("views") in (None, local):
                message = f"Expected another view group than `{local}`, which the twin sees"
                yield ("views",), f"{message}, but got {params.get('views')!r}"
        model = recipe.get("model", {})
        if model.get("ema") is None:
            yield (), "Expected `model.ema` to be set: the contrasts are the EMA twin's"
        if params.get("query") == "predictor" and model.get("predictor") is None:
            yield ("query",), "Expected `model.predictor` to be set, or `projector`"

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Plain inputs; those of ``views`` through the twin."""
        return Pass(), Pass("twin", views=self.views)

    def forward(self, batch: StepBatch) -> TermResult:
        """The loss of global and local anchors; logs the share of anchors without positives."""
        seed = self.cap_seed(batch)
        mine = batch.rows(self.views)
        rows = mine.rows(self._queries(batch, mine))
        keys = rows.with_z(batch.twin_outputs(self.views).z)
        result = self._against(batch, rows, keys, seed)
        positives, _ = global_mean(result.positives, torch.ones_like(result.positives))
        stats = {"lonely": result.lonely, "positives": positives}
        if self.local_views is None:
            return TermResult(result.loss, stats)
        local = batch.rows(self.local_views)
        others = replace(keys, uid=-1 - keys.uid)
        losses = []
        for number in range(len(local.sizes)):
            view = local.views(number, number + 1)
            some = view.rows(self._queries(batch, view))
            losses.append(self._against(batch, some, others, seed).loss)
        mean = torch.stack(losses).mean()
        stats |= {"global": result.loss.detach(), "local": mean.detach()}
        return TermResult(result.loss + mean, stats)

    def _queries(self, batch: StepBatch, rows: GroupRows) -> Tensor:
        outputs = batch.outputs()
        if self.query == "projector":
            return outputs.z[rows.place]
        if "predictor" not in outputs.more:
            raise ValueError(
                "Expected a network with a predictor, but got one without. Try: model.predictor=mlp"
            )
        return outputs.more["predictor"][rows.place]

    def _against(self, batch: StepBatch, rows: Rows, keys: Rows, seed: int) -> LossResult:
        step = weighting_step(batch, rows, self.weighting, self.loss.temperature)
        return self.loss.details(
            rows,
            cap_seed=seed,
            anchor_weight=anchors_of(rows, self.samples),
            step=step,
            keys=keys,
        )

"""The supervised contrastive term: a selector, a weighting, and a queue if asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.losses.diagnostics import diagnose
from supcon_ext.losses.gather import global_mean
from supcon_ext.losses.mixup import MixupRule
from supcon_ext.losses.queue import KeyQueue
from supcon_ext.losses.supcon import LossResult, SupConLoss
from supcon_ext.objectives.base import (
    StepBatch,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.batch import Samples
from supcon_ext.objectives.passes import Pass, mixed_pass
from supcon_ext.objectives.selecting import SelectingTerm
from supcon_ext.objectives.weighed import anchors_of, weighting_step
from supcon_ext.selectors.base import PositiveSelector
from supcon_ext.stage_epochs import StageEpochs
from supcon_ext.weightings.base import Weighting
from supcon_ext.weightings.beside import weighting_beside

DIAGNOSED = (
    "kl",
    "alignment",
    "uniformity",
    "positive_similarity",
    "negative_similarity",
    "positive_gradient",
    "negative_gradient",
    "collapsed",
)


@term("contrastive")
class Contrastive(SelectingTerm):
    """Supervised contrastive loss over the projections, with any selector and any weighting.

    Args:
        selector: Which pairs are positives.
        weighting: How much contrasts and anchors weigh.
        temperature: tau.
        form: ``out`` (Khosla et al. 2020, eq. 2) or ``in`` (eq. 3).
        denominator: ``all`` contrasts, ``one_positive`` or ``only_negatives``.
        anchors: ``all`` views, or the ``first`` of each sample.
        positives_cap: Largest number of positives of an anchor beside its own views and its class's
            prototype or target, drawn anew in each step; null for no cap.
        cap_of: Positives that ``positives_cap`` counts: ``all``, or those with ``synthetic``
            samples alone.
        surplus: What positives over the cap are: ``dropped``, or ``negative`` (KCL, Kang et al.
            2021: ``positives_cap: 6``).
        rejected: What a pair with the same label is that the selector does not take: ``negative``,
            or ``neutral``, out of the denominator.
        samples: Which samples are anchors: ``all``, the ``confident`` ones, which are trusted above
            0.5, the ``unconfident`` others, or only ``real`` or ``synthetic`` ones.
        refresh_every: Epochs between two selections.
        refresh_from: Epochs of the stage before the first selection; until then all are trusted.
        min_per_class: Samples of each class that stay trusted at least, those of the largest score,
            with a warning.
        scale: Factor on the loss: ``none``, ``temperature``, or a number. The published learning
            rates of Khosla et al. go with ``temperature``.
        mixup: Alpha of Mixup (Zhang et al. 2018): anchors are mixed images and take the positives
            of both; 0 for none.
        mixup_mean: Over the positives of both images ``together``, by their shares, or over each
            image's ``apart`` and then shared, as the code of Sel-CL and MOIT has it (a further pass
            over the pairs counts them; not beside ``positives_cap``).
        queue: Keys of the EMA twin kept as further contrasts (He et al. 2020, MoCo); 0 for none.
        queue_warmup: Epochs of the stage in which the queue is filled but not used.
        diagnostics: Log alignment, uniformity and gradient norms of an epoch's first batch (of the
            first process's anchors), and warn about collapse; with denominator ``all`` and no cap.
    """

    def __init__(
        self,
        selector: Annotated[PositiveSelector | str, Part("selector")] = "label",
        weighting: Annotated[Weighting | str, Part("weighting")] = "uniform",
        temperature: Annotated[float, Field(gt=0)] = 0.1,
        form: Literal["out", "in"] = "out",
        denominator: Literal["all", "one_positive", "only_negatives"] = "all",
        anchors: Literal["all", "first"] = "all",
        positives_cap: Annotated[int, Field(ge=0)] | None = None,
        cap_of: Literal["all", "synthetic"] = "all",
        surplus: Literal["dropped", "negative"] = "dropped",
        rejected: Literal["negative", "neutral"] = "negative",
        samples: Samples = "all",
        refresh_every: Annotated[int, Field(ge=1)] = 1,
        refresh_from: Annotated[
            int, Field(ge=0), StageEpochs("nothing is selected and every label trusted")
        ] = 0,
        min_per_class: Annotated[int, Field(ge=0)] = 1,
        scale: Literal["none", "temperature"] | Annotated[float, Field(gt=0)] = "none",
        mixup: Annotated[float, Field(ge=0)] = 0.0,
        mixup_mean: Literal["together", "apart"] = "together",
        queue: Annotated[int, Field(ge=0)] = 0,
        queue_warmup: Annotated[
            int, Field(ge=0), StageEpochs("the queue stays unused", beside="queue")
        ] = 0,
        diagnostics: bool = True,
    ) -> None:
        super().__init__(selector, refresh_every, refresh_from, min_per_class)
        made = weighting_beside(self.selector, weighting)
        if mixup and self.selector.ignores:
            raise ValueError(
                "Expected no `mixup` beside a selector that takes pairs out of the denominator, "
                f"but got {mixup}. Try: mixup: 0"
            )
        self.loss = SupConLoss(
            temperature,
            form,
            MixupRule(self.selector, mixup_mean == "apart") if mixup else self.selector,
            made,
            denominator=denominator,
            anchors=anchors,
            positives_cap=positives_cap,
            cap_of=cap_of,
            surplus=surplus,
            rejected=rejected,
            scale=scale,
        )
        self.samples = samples
        self.mixup = mixup
        self.queue_size = queue
        self.queue_warmup = queue_warmup
        self.queue: KeyQueue | None = None
        self.diagnostics = diagnostics

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is wrong between this term and its stage."""
        yield from view_problems(params, stage)
        views = stage.get("views")
        groups = [view for view in (views if isinstance(views, list) else [views]) if view]
        used = [v for v in groups if params.get("views") in (None, v.get("name"))]
        rows = stage.get("batch_size", 0) * sum(view.get("count", 1) for view in used)
        queue = params.get("queue", 0)
        if 0 < queue < rows:
            yield (
                ("queue",),
                f"Expected a queue of at least one batch ({rows} rows: batch size times views), "
                f"but got {queue}",
            )
        if params.get("mixup_mean") == "apart" and params.get("positives_cap") is not None:
            message = (
                "Expected `together` beside `positives_cap`, whose draw comes after the counts"
            )
            yield ("mixup_mean",), message
        if queue and recipe.get("model", {}).get("ema") is None:
            message = "Expected `model.ema` to be set: a queue keeps the EMA twin's keys"
            yield ("queue",), message

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Plain or mixed inputs; those of the queue through the twin."""
        twin = (Pass("twin", views=self.views),) if self.queue_size else ()
        return mixed_pass(self.mixup), *twin

    def setup(self, facts: TrainingFacts) -> None:
        """Make the queue; tell the weighting what is known."""
        super().setup(facts)
        if self.queue_size:
            self.queue = KeyQueue(self.queue_size, facts.dim)

    def forward(self, batch: StepBatch) -> TermResult:
        """The loss of the batch's views; logs the share of anchors without positives."""
        mine, beliefs = batch.rows(self.views), batch.beliefs
        queued = None
        if self.queue is not None and batch.epoch >= self.queue_warmup:
            queued = self.queue.rows(beliefs.label, beliefs.trust, beliefs.row_columns())
        seed = self.cap_seed(batch)
        mix, outputs = batch.mixed(self.mixup, 0.0) if self.mixup else (None, batch.outputs())
        rows = mine.rows(outputs.z[mine.place], mix)
        step = weighting_step(batch, rows, self.weighting, self.loss.temperature)
        result = self.loss.details(
            rows,
            extra=queued,
            cap_seed=seed,
            anchor_weight=anchors_of(rows, self.samples),
            step=step,
        )
        if self.queue is not None:
            self.queue.push_rows(mine.rows(batch.twin_outputs(self.views).z))
        return TermResult(result.loss, self._stats(result, batch.step == 0))

    def _stats(self, result: LossResult, diagnosed: bool) -> dict[str, Tensor]:
        positives, _ = global_mean(result.positives, torch.ones_like(result.positives))
        stats = {"lonely": result.lonely, "positives": positives}
        every = self.loss.denominator == "all" and self.loss.positives_cap is None
        if self.diagnostics and diagnosed and every:
            found = diagnose(
                result.anchors,
                result.contrasts,
                self.loss.selector,
                result.anchor_losses / self.loss.scale,
                result.positives,
                self.loss.temperature,
                plan=result.plan,
                form=self.loss.form,
            )
            for name in DIAGNOSED:
                value = getattr(found, name).float().mean()
                if bool(value.isfinite()):  # what does not apply (no negatives, say) is left out
                    stats[name] = value
        return stats

"""PaCo: the classifier's logits stand among the contrasts, as one learnable centre for each class.

Letters: R rows, K contrasts, C classes, D embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from supcon_ext.losses.gather import gather_rows, global_mean, world_size
from supcon_ext.losses.queue import KeyQueue
from supcon_ext.losses.rows import Rows, Source
from supcon_ext.objectives.base import (
    Beliefs,
    GroupRows,
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.passes import Pass

CHUNK = 1 << 22  # pairs held at a time


@term("paco")
class PaCo(Term):
    """Parametric contrastive loss (Cui et al. 2021, PaCo; 2022, GPaCo).

    Of each row, one softmax over the other rows, the queue's keys and C centres. A centre's logit
    is the classifier's own, plus the log prior of its class, over ``centre_temperature``; it has
    neither the embedding nor tau of the others. Positives are the own centre with weight 1 and each
    contrast of the same class with weight ``alpha``; the loss is divided by the sum of the weights.

    With ``queue``, as in PaCo, anchors are the first view of each sample alone; their contrasts are
    each other, this step's keys of the EMA twin (the other views), and the queue of earlier keys.
    With ``queue`` 0 this is GPaCo, without momentum encoder: all views are anchors and contrasts
    (``smoothing`` is its label smoothing: a share of the own centre's weight over the other C - 1
    centres). With ``alpha`` 0 it is Balanced Softmax with more negatives. The prior is added to
    logits of frequent classes: the sign is opposite to BCL's division.

    It is an objective and not a weighting, because its centres are logits of another space. Only
    trusted samples are anchors and positives; the others remain contrasts.

    Args:
        alpha: Weight of a contrast of the same class (ImageNet-LT 0.05, CIFAR-LT 0.01).
        temperature: tau of embeddings.
        centre_temperature: That of the centres' logits.
        queue: Keys of the EMA twin kept as further contrasts; 0 for no twin and none.
        smoothing: Share of the own centre's weight spread over the other centres.
        prior: Labels that the prior counts: all ``given`` ones, or working labels of ``trusted``
            samples. A class without any counts as one sample.
    """

    trains_classifier = True
    given: Tensor

    def __init__(
        self,
        alpha: Annotated[float, Field(ge=0)] = 0.05,
        temperature: Annotated[float, Field(gt=0)] = 0.2,
        centre_temperature: Annotated[float, Field(gt=0)] = 1.0,
        queue: Annotated[int, Field(ge=0)] = 0,
        smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        prior: Literal["given", "trusted"] = "given",
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature
        self.centre_temperature = centre_temperature
        self.queue_size = queue
        self.smoothing = smoothing
        self.prior = prior
        self.queue: KeyQueue | None = None

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> list[tuple[tuple[str, ...], str]]:
        """What is wrong between this term and its stage."""
        found = view_problems(params, stage)
        if params.get("queue", 0) and recipe.get("model", {}).get("ema") is None:
            message = "Expected `model.ema` to be set: a queue keeps the EMA twin's keys"
            found.append((("queue",), message))
        return found

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Plain inputs; those of the queue through the twin."""
        return (Pass(), Pass("twin")) if self.queue_size else (Pass(),)

    def setup(self, facts: TrainingFacts) -> None:
        """Take the prior's counts, and make the queue."""
        self.register_buffer("given", facts.counts.clone())
        if self.queue_size:
            self.queue = KeyQueue(self.queue_size, facts.dim)

    def forward(self, batch: StepBatch) -> TermResult:
        """The mean over trusted rows; logs the share that the own centre has of the softmax."""
        rows = batch.rows(self.views)
        keys: Rows | None = None
        if self.queue is not None:  # the other views' keys; of one view alone, its own
            others = rows.views(1) if len(rows.sizes) > 1 else rows
            keys = _unit_rows(others, batch.twin_outputs().z)
            rows = rows.views(0, 1)
        outputs = batch.outputs()
        mine = _unit_rows(rows, outputs.z)
        logits = outputs.logits[rows.place].float()
        everyone, start = (mine, 0) if world_size() == 1 else gather_rows(mine)
        contrasts = everyone if keys is None else self._with_keys(everyone, keys, batch.beliefs)
        counts = self.given
        if self.prior == "trusted":
            counts = batch.beliefs.trusted_counts(len(self.given))
        prior = counts.clamp(min=1).float()
        centres = (logits + (prior / prior.sum()).log()) / self.centre_temperature
        # rows that are this process's own, so that a row is not its own contrast
        own = replace(mine, uid=everyone.uid[start : start + len(mine)])
        with torch.autocast(mine.z.device.type, enabled=False):
            losses, share = self._losses(own, contrasts, centres)
        counted = ((mine.label >= 0) & (mine.trust > 0.5)).to(losses.dtype)
        loss, _ = global_mean(losses, counted)
        share, _ = global_mean(share.detach(), counted)
        if self.queue is not None and keys is not None:
            self.queue.push_rows(keys)
        return TermResult(loss, {"own_centre": share})

    def _with_keys(self, everyone: Rows, keys: Rows, beliefs: Beliefs) -> Rows:
        """Contrasts of PaCo: queries, this step's keys of all processes, and the queue's."""
        fresh = keys if world_size() == 1 else gather_rows(keys)[0]
        number = torch.arange(len(fresh), device=fresh.z.device)
        fresh = replace(
            fresh, uid=-1 - number, source=torch.full_like(fresh.source, int(Source.QUEUE))
        )
        kept = (
            None
            if self.queue is None
            else self.queue.rows(beliefs.label, beliefs.trust, beliefs.row_columns())
        )
        return Rows.cat([everyone, fresh] if kept is None else [everyone, fresh, kept])

    def _losses(self, rows: Rows, contrasts: Rows, centres: Tensor) -> tuple[Tensor, Tensor]:
        size = max(1, CHUNK // (len(contrasts) + centres.shape[1]))
        losses, shares = [], []
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            loss, share = checkpoint(
                self._chunk, rows.rows(part), contrasts, centres[part], use_reentrant=False
            )
            losses.append(loss)
            shares.append(share)
        return torch.cat(losses), torch.cat(shares)

    def _chunk(self, rows: Rows, contrasts: Rows, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of some rows, and their own centre's share of the softmax."""
        itself = rows.uid[:, None] == contrasts.uid[None, :]
        similarity = (rows.z @ contrasts.z.T / self.temperature).masked_fill(itself, -torch.inf)
        log_sum = torch.cat([similarity, centres], 1).logsumexp(1)
        known = rows.label >= 0
        trusted = (contrasts.trust > 0.5) & known[:, None]
        same = (rows.label[:, None] == contrasts.label[None, :]) & trusted & ~itself
        weight = self.alpha * same.to(similarity.dtype)
        label = rows.label.clamp(min=0)
        classes = centres.shape[1]
        target = functional.one_hot(label, classes).to(similarity.dtype)
        others = self.smoothing / max(classes - 1, 1)
        target = (1 - self.smoothing) * target + others * (1 - target)
        positive = (weight * similarity.masked_fill(itself, 0.0)).sum(1) + (target * centres).sum(1)
        total = weight.sum(1) + 1
        own = (centres.gather(1, label[:, None])[:, 0] - log_sum).exp()
        return log_sum - positive / total, own


def _unit_rows(rows: GroupRows, z: Tensor) -> Rows:
    """Some rows of the step's ``(R, D)`` projections, of unit norm."""
    return rows.rows(functional.normalize(z[rows.place].float(), dim=1))

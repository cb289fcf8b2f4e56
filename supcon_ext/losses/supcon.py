"""The supervised contrastive loss, into which selectors and weightings plug.

    s_ia = z_i . z_a / tau_i
    out:  L_i = log sum_a w_ia exp(s_ia) - sum_a t_ia s_ia / sum_a t_ia
    in:   L_i = log sum_a w_ia exp(s_ia) - log( sum_a t_ia exp(s_ia) / sum_a t_ia )
    L     = sum_i u_i L_i / sum_i u_i     over the anchors that have a positive

out is eq. 2 of Khosla et al. 2020, in is eq. 3.

The targets t come from a positive selector, the contrast weights w and anchor weights u from a
weighting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.losses.arguments import fractions, number, one_of, part, truth, whole
from supcon_ext.losses.batch import check_values, mask_rule, require_extra, rows_of
from supcon_ext.losses.cap import Cap
from supcon_ext.losses.check_plan import check_plan, checked_columns
from supcon_ext.losses.engine import anchor_losses
from supcon_ext.losses.factors import Factors, label_code
from supcon_ext.losses.gather import gather_rows, global_mean, world_size
from supcon_ext.losses.keys import check_keys, keys_of_all
from supcon_ext.losses.mixup import MixupRule
from supcon_ext.losses.rows import (
    PairRule,
    PairTile,
    PairWeights,
    Rows,
    WeightingStep,
    WeightPlan,
)
from supcon_ext.losses.tiled import TILE, Denominator, Form
from supcon_ext.losses.untraced import untraced


class SameLabel:
    """The pair rule of SupCon itself: equal labels, or the same sample."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        return pairs.same("label") | pairs.same("index")

    def factors(self, views: Rows) -> Factors:
        """The label; where it is unknown, the sample."""
        return Factors(label_code(views))


@dataclass(frozen=True, slots=True)
class LossResult:
    """A loss and what it is made of.

    Attributes:
        loss: Scalar, with gradient (``(A,)`` with reduction ``none``). With several processes, the
            loss of the global batch; its gradient is right once the processes' gradients are
            averaged, as DistributedDataParallel does.
        anchor_losses: ``(A,)`` loss of each anchor of this process, 0 without positives, no
            gradient.
        positives: ``(A,)`` sum of each anchor's targets.
        lonely: Share of the anchors of all processes without a positive, in [0, 1].
        anchors: The A rows that were anchors, detached.
        contrasts: The K rows that they stood against, detached.
        plan: The weights that the loss was computed with.
    """

    loss: Tensor
    anchor_losses: Tensor
    positives: Tensor
    lonely: Tensor
    anchors: Rows
    contrasts: Rows
    plan: WeightPlan


class SupConLoss(nn.Module):
    """Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362) with exchangeable parts.

    Args:
        temperature: tau > 0. The paper's best is 0.1.
        form: ``out`` (eq. 2, the paper's choice) or ``in`` (eq. 3).
        selector: Decides which pairs are positives (anything with ``targets(pairs)``); None is
            SupCon's own rule, equal labels.
        weighting: Decides how much contrasts and anchors weigh; None weighs all alike.
        denominator: ``all`` contrasts; ``only_negatives`` (decoupled); ``one_positive``: each
            positive against the negatives alone.
        anchors: ``all`` rows, or the ``first`` view of each sample; contrasts are all rows.
        positives_cap: Largest number of positives of an anchor beside its own sample's other views
            and the prototype or target of its class. None: no cap.
        cap_of: Positives that the cap counts: ``all``, or those with ``synthetic`` samples alone.
        cap_sampling: ``random`` (see ``cap_seed`` of :meth:`forward`) or ``first``.
        surplus: What positives beyond the cap are: ``dropped`` from the denominator too, or
            ``negative`` (KCL, Kang et al. 2021).
        rejected: What a pair with the same label is that the selector does not take as a positive:
            ``negative`` (Sel-CL), or ``neutral``, out of the denominator.
        normalize: L2-normalise the features first. Without it they must be of unit norm already for
            the similarity to be a cosine; the loss stays finite in any case.
        scale: Factor on the loss: ``none``, ``temperature`` (tau, which takes 1 / tau off the
            gradient), or a number.
        reduction: ``mean``, ``sum`` or ``none`` over anchors.
        empty: What an anchor without a positive does: ``skip`` leaves it out of the mean, ``zero``
            counts it as 0, ``raise`` is an error.
        tile: Rows and columns of a tile of the pair matrix; memory grows with its square, results
            do not change. None takes what is fast.

    Works under autocast and ``torch.compile`` (as a call that is not traced); transforms of
    ``torch.func`` and second derivatives are refused with an error.

    Example:
        >>> features = torch.randn(8, 2, 128)            # 8 images, 2 views each
        >>> loss = SupConLoss(temperature=0.1)(features, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]))
    """

    def __init__(
        self,
        temperature: float = 0.1,
        form: Form = "out",
        selector: PairRule | None = None,
        weighting: PairWeights | None = None,
        *,
        denominator: Denominator = "all",
        anchors: Literal["all", "first"] = "all",
        positives_cap: int | None = None,
        cap_of: Literal["all", "synthetic"] = "all",
        cap_sampling: Literal["random", "first"] = "random",
        surplus: Literal["dropped", "negative"] = "dropped",
        rejected: Literal["negative", "neutral"] = "negative",
        normalize: bool = True,
        scale: float | Literal["none", "temperature"] = "none",
        reduction: Literal["mean", "sum", "none"] = "mean",
        empty: Literal["skip", "zero", "raise"] = "skip",
        tile: int | None = None,
    ) -> None:
        super().__init__()
        temperature = number("temperature", temperature, above=0)
        one_of("form", form, ("out", "in"))
        one_of("denominator", denominator, ("all", "one_positive", "only_negatives"))
        one_of("anchors", anchors, ("all", "first"))
        one_of("cap_of", cap_of, ("all", "synthetic"))
        one_of("cap_sampling", cap_sampling, ("random", "first"))
        one_of("surplus", surplus, ("dropped", "negative"))
        one_of("rejected", rejected, ("negative", "neutral"))
        one_of("reduction", reduction, ("mean", "sum", "none"))
        one_of("empty", empty, ("skip", "zero", "raise"))
        if isinstance(scale, str):
            one_of("scale", scale, ("none", "temperature"))
        if selector is not None:
            part("selector", selector, ("targets",), "None, or selector.make('label')")
        if weighting is not None:
            part("weighting", weighting, ("columns", "plan"), "None, or weighting.make('balanced')")
        self.temperature = temperature
        self.form: Form = form
        self.selector = SameLabel() if selector is None else selector
        self.weighting = weighting
        self.denominator: Denominator = denominator
        self.anchors = anchors
        self.positives_cap = (
            None if positives_cap is None else whole("positives_cap", positives_cap, least=0)
        )
        self.cap_of: Literal["all", "synthetic"] = cap_of
        self.cap_sampling: Literal["random", "first"] = cap_sampling
        self.surplus: Literal["dropped", "negative"] = surplus
        self.rejected = rejected
        self.normalize = truth("normalize", normalize)
        named = {"none": 1.0, "temperature": temperature}
        self.scale = named[scale] if isinstance(scale, str) else number("scale", scale)
        self.reduction = reduction
        self.empty = empty
        self.tile = None if tile is None else whole("tile", tile, least=1)

    @staticmethod
    def khosla_compat(
        temperature: float = 0.07,
        base_temperature: float = 0.07,
        contrast_mode: Literal["all", "one"] = "all",
    ) -> nn.Module:
        """The loss with the conventions of the authors' PyTorch code.

        See :class:`~supcon_ext.losses.khosla.KhoslaLoss`.
        """
        from supcon_ext.losses.khosla import KhoslaLoss

        return KhoslaLoss(temperature, base_temperature, contrast_mode)

    @untraced
    def forward(
        self,
        features: Tensor | Rows,
        labels: Tensor | None = None,
        extra: Rows | None = None,
        *,
        mask: Tensor | None = None,
        cap_seed: int = 0,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            features: ``(B, V, D)``: V views of B samples; ``(N, D)``: one row a sample; or
                :class:`Rows`, which carry their labels themselves. Any float type; computed in
                float32.
            labels: ``(B,)`` or ``(B, 1)`` integers, a tensor, a list or a numpy array; -1 is
                unknown. None: each sample is a class of its own (SimCLR). ``(B, C)`` of 0 and 1,
                several labels a sample, for a selector that reads them (``jaccard``, ``overlap``).
            extra: Further contrasts (a queue, a teacher's keys), the same in every process; their
                ``uid`` must be negative, so that none is taken for a row of the batch.
            mask: Positives of one's own in place of labels and selector: ``(B, B)`` by samples, or
                ``(V B, V B)`` by rows, view after view; truth values or numbers of at least 0.
            cap_seed: Of the draw of ``positives_cap``; give each step its own.

        Returns:
            A scalar (``(A,)`` with reduction ``none``); 0 (with zero gradient) where no anchor has
            a positive.

        Raises:
            ValueError: Shapes do not fit, the batch is empty, or the features hold NaN, inf or a
                zero vector; an anchor has no positive and ``empty`` is ``raise``.
        """
        return self.details(features, labels, extra, mask=mask, cap_seed=cap_seed).loss

    @untraced
    def details(
        self,
        features: Tensor | Rows,
        labels: Tensor | None = None,
        extra: Rows | None = None,
        *,
        mask: Tensor | None = None,
        cap_seed: int = 0,
        anchor_weight: Tensor | None = None,
        step: WeightingStep | None = None,
        keys: Rows | None = None,
    ) -> LossResult:
        """The loss with each anchor's loss and positives.

        Args:
            features: As in :meth:`forward`, like the others.
            labels: See there.
            extra: See there.
            mask: See there.
            cap_seed: See there.
            anchor_weight: ``(N,)`` >= 0 further factor on the weight of each row as an anchor.
            step: What the weighting may know beside the batch; the rows of all processes are put in
                here.
            keys: ``(M,)`` contrasts in place of the batch's own rows: a momentum encoder's
                encodings (He et al. 2020, MoCo), of which the first N are of the same samples as
                the batch. Those with the ``uid`` of the batch's rows are the rows' own keys, and
                such a pair is left out; else every ``uid`` is negative. No gradient flows to them;
                those of all processes are put together in here.
        """
        cap = None
        if self.positives_cap is not None:
            seed = whole("cap_seed", cap_seed)
            cap = Cap(self.positives_cap, self.cap_sampling, seed, self.surplus, self.cap_of)
        rule = self.selector if mask is None else mask_rule(mask, features, labels)
        if not isinstance(features, Rows):
            views = rows_of(features, labels, rule)
        elif labels is None:
            views = features
        else:
            raise ValueError(
                "Expected no `labels` beside `Rows`, which carry their own, but got both. "
                "Try: Rows.of(z, labels)"
            )
        if anchor_weight is not None:
            anchor_weight = fractions("anchor_weight", anchor_weight, views.z)
        if extra is not None:
            require_extra(extra, views)
        check_values(views, extra, anchor_weight, self.normalize)
        if keys is not None:
            check_keys(keys, views, self.normalize)
        with torch.autocast(device_type=views.z.device.type, enabled=False):
            if extra is not None:
                extra = extra.with_z(self._embeddings(extra.z))
            views = views.with_z(self._embeddings(views.z))
            if keys is not None:
                keys = keys.with_z(self._embeddings(keys.z.detach()).to(views.z.dtype))
            return self._details(views, extra, rule, cap, anchor_weight, step, keys)

    def _embeddings(self, z: Tensor) -> Tensor:
        z = z if z.dtype == torch.float64 else z.float()
        return functional.normalize(z, dim=1) if self.normalize else z

    def _details(
        self,
        batch: Rows,
        extra: Rows | None,
        rule: PairRule,
        cap: Cap | None,
        anchor_weight: Tensor | None,
        step: WeightingStep | None,
        keys: Rows | None,
    ) -> LossResult:
        start, count = 0, len(batch)
        if world_size() > 1:
            batch, start = gather_rows(batch)
        mine = torch.arange(start, start + count, device=batch.z.device)
        if self.anchors == "first":
            mine = mine[_first_of_each(batch.index[mine])]
        if step is None:
            step = WeightingStep(batch, self.temperature)
        step, columns = replace(step, rows=batch), None
        if self.weighting is not None:
            if self.training:
                self.weighting.observe(step)
            columns = checked_columns(self.weighting, self.weighting.columns(step), batch)
        more = [part for part in (extra, columns) if part is not None]
        if keys is not None:
            anchors, others = batch.rows(mine), more
        elif len(mine) < len(batch):
            rest = torch.ones(len(batch), dtype=torch.bool, device=mine.device)
            rest[mine] = False
            anchors, others = batch.rows(mine), [batch.rows(rest), *more]
        else:
            anchors, others = batch, more
        if keys is not None:
            others = [*keys_of_all(keys, mine - start), *more]
            contrasts = Rows.cat(others)
        else:
            contrasts = Rows.cat([anchors, *others]) if others else anchors
        if isinstance(rule, MixupRule):
            anchors = rule.counted(anchors, contrasts, self.tile or TILE)
        plan = WeightPlan()
        if self.weighting is not None:
            plan = self.weighting.plan(step, anchors, contrasts)
            check_plan(self.weighting, plan, len(anchors), len(contrasts))
        losses, positives = anchor_losses(
            anchors,
            contrasts,
            rule,
            plan,
            self.temperature,
            self.form,
            denominator=self.denominator,
            cap=cap,
            bound=1.0 if self.normalize else None,
            tile=self.tile,
            neutral=self.rejected == "neutral",
            keys=keys is not None,
        )
        losses = losses if self.scale == 1.0 else self.scale * losses
        valid = positives > 0
        if self.empty == "raise" and not bool(valid.all()):
            raise ValueError(
                f"Expected a positive of every anchor, but {int((~valid).sum())} of {len(valid)} "
                "have none. Try: more views, larger batches, or empty='skip'"
            )
        weight = torch.ones_like(losses) if plan.anchor is None else plan.anchor.to(losses.dtype)
        if anchor_weight is not None:
            weight = weight * anchor_weight[mine - start].to(losses.dtype)
        counted = weight if self.empty == "zero" else weight * valid
        lonely, _ = global_mean((~valid).to(losses.dtype), torch.ones_like(losses))
        if self.reduction == "none":
            loss = counted * losses
        else:
            loss, mass = global_mean(losses, counted)
            loss = loss * mass if self.reduction == "sum" else loss
        return LossResult(
            loss, losses.detach(), positives, lonely, anchors.detached(), contrasts.detached(), plan
        )


def _first_of_each(index: Tensor) -> Tensor:
    """Positions of the first row of each sample, in order."""
    order = index.argsort(stable=True)
    ordered = index[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return order[first].sort().values

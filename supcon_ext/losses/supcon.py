"""The supervised contrastive loss, into which selectors and weightings plug.

    s_ia = z_i . z_a / tau
    out:  L_i = log sum_a w_ia exp(s_ia) - sum_a t_ia s_ia / sum_a t_ia             (Khosla et al.
    2020, eq. 2)
    in:   L_i = log sum_a w_ia exp(s_ia) - log( sum_a t_ia exp(s_ia) / sum_a t_ia )  (eq. 3)
    L     = sum_i u_i L_i / sum_i u_i     over the anchors that have a positive

The targets t come from a positive selector, the contrast weights w and anchor weights u from a
weighting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.losses.gather import gather_views, global_mean, process_rank, world_size
from supcon_ext.losses.pairs import PairRule, PairTile, PairWeights, Views, WeightPlan
from supcon_ext.losses.tiled import TILE, tiled_anchor_losses


class SameLabel:
    """The pair rule of SupCon itself: equal labels, or the same sample."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        return pairs.same("label") | pairs.same("index")


@dataclass(frozen=True, slots=True)
class LossResult:
    """A loss and what it is made of.

    Attributes:
        loss: Scalar, with gradient. With several processes, the loss of the global batch; its
            gradient is right once the processes' gradients are averaged, as DistributedDataParallel
            does.
        anchor_losses: ``(A,)`` loss of each anchor of this process, 0 without positives, no
            gradient.
        positives: ``(A,)`` sum of each anchor's targets.
        lonely: Share of the anchors of all processes without a positive, in [0, 1]; they are left
            out of the mean.
    """

    loss: Tensor
    anchor_losses: Tensor
    positives: Tensor
    lonely: Tensor


class SupConLoss(nn.Module):
    """Supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362) with exchangeable parts.

    Args:
        temperature: tau > 0. The paper's best is 0.1.
        form: ``out`` (eq. 2, the paper's choice) or ``in`` (eq. 3).
        selector: Decides which pairs are positives (anything with ``targets(pairs)``); None is
            SupCon's own rule, equal labels.
        weighting: Decides how much contrasts and anchors weigh; None weighs all alike.
        normalize: L2-normalise the features first. Without it they must be of unit norm already for
            the similarity to be a cosine; the loss stays finite in any case.
        tile: Rows and columns of a tile of the pair matrix; memory grows with its square, results
            do not change.

    Example:
        >>> features = torch.randn(8, 2, 128)            # 8 images, 2 views each
        >>> loss = SupConLoss(temperature=0.1)(features, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]))
    """

    def __init__(
        self,
        temperature: float = 0.1,
        form: Literal["out", "in"] = "out",
        selector: PairRule | None = None,
        weighting: PairWeights | None = None,
        normalize: bool = True,
        tile: int = TILE,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"Expected `temperature` above 0, but got {temperature}")
        if form not in ("out", "in"):
            raise ValueError(f"Expected `form` to be 'out' or 'in', but got {form!r}")
        if tile < 1:
            raise ValueError(f"Expected `tile` of at least 1, but got {tile}")
        self.temperature = temperature
        self.form = form
        self.selector = SameLabel() if selector is None else selector
        self.weighting = weighting
        self.normalize = normalize
        self.tile = tile

    def forward(
        self,
        features: Tensor | Views,
        labels: Tensor | None = None,
        extra: Views | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            features: ``(B, V, D)``: V views of B samples; ``(N, D)``: one row a sample; or
                :class:`Views`, which carry their labels themselves. Any float type; computed in
                float32.
            labels: ``(B,)`` or ``(N,)`` integers; -1 is unknown. None: each sample is a class of
                its own (SimCLR).
            extra: Further contrasts (a queue, a teacher's keys), the same in every process; their
                ``uid`` must be negative, so that none is taken for a row of the batch.

        Returns:
            A scalar; 0 (with zero gradient) where no anchor has a positive.

        Raises:
            ValueError: Shapes do not fit, the batch is empty, or the features hold NaN, inf or a
                zero vector.
        """
        return self.details(features, labels, extra).loss

    def details(
        self,
        features: Tensor | Views,
        labels: Tensor | None = None,
        extra: Views | None = None,
    ) -> LossResult:
        """The loss with each anchor's loss and positives; arguments as :meth:`forward`."""
        views = features if isinstance(features, Views) else rows_of(features, labels)
        if isinstance(features, Views) and labels is not None:
            raise ValueError("Expected no `labels` beside `Views`, which carry their own")
        device = views.z.device.type
        with torch.autocast(device_type=device, enabled=False):
            if extra is not None:
                extra = extra.with_z(self._embeddings(extra.z))
            return self._details(views.with_z(self._embeddings(views.z)), extra)

    def _embeddings(self, z: Tensor) -> Tensor:
        z = z if z.dtype == torch.float64 else z.float()
        norm = z.detach().norm(dim=1)
        good = norm.isfinite() & (norm > 0) if self.normalize else norm.isfinite()
        if not bool(good.all()):
            raise ValueError(
                f"Expected finite `features`{' without zero vectors' if self.normalize else ''}, "
                f"but {int((~good).sum())} of {len(z)} rows are not"
            )
        return functional.normalize(z, dim=1) if self.normalize else z

    def _details(self, batch: Views, extra: Views | None) -> LossResult:
        start, count = 0, len(batch)
        if world_size() > 1:
            batch, start = gather_views(batch)
        anchors = batch.rows(slice(start, start + count))
        contrasts, plan = batch, WeightPlan()
        columns = None if self.weighting is None else self.weighting.columns(batch)
        more = [part for part in (extra, columns) if part is not None]
        if more:
            contrasts = Views.cat([batch, *more])
        if self.weighting is not None:
            plan = self.weighting.plan(anchors, contrasts, None)
        losses, positives = tiled_anchor_losses(
            anchors, contrasts, self.selector, plan, self.temperature, self.form, self.tile
        )
        weight = torch.ones_like(losses) if plan.anchor is None else plan.anchor
        valid = positives > 0
        loss, _ = global_mean(losses, weight * valid)
        lonely, _ = global_mean((~valid).to(losses.dtype), torch.ones_like(losses))
        return LossResult(loss, losses.detach(), positives, lonely)


def rows_of(features: Tensor, labels: Tensor | None) -> Views:
    """Rows, view after view, of a batch of features.

    Raises:
        ValueError: Shapes, types or devices do not fit.
    """
    if features.ndim not in (2, 3) or 0 in features.shape:
        raise ValueError(
            "Expected non-empty `features` of shape (samples, views, dim) or (samples, dim), "
            f"but got {tuple(features.shape)}"
        )
    if not features.is_floating_point():
        raise ValueError(f"Expected `features` of a float type, but got {features.dtype}")
    samples, views = features.shape[0], features.shape[1] if features.ndim == 3 else 1
    z = features.transpose(0, 1).reshape(-1, features.shape[2]) if features.ndim == 3 else features
    first = process_rank() << 40  # samples of different processes are different samples
    index = (first + torch.arange(samples, device=features.device)).repeat(views)
    if labels is None:
        return Views.of(z, None, index=index)
    if labels.shape != (samples,):
        raise ValueError(
            f"Expected `labels` of shape ({samples},), one for each sample, "
            f"but got {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"Expected integer `labels`, but got {labels.dtype}")
    if labels.device != features.device:
        raise ValueError(
            f"Expected `labels` on the features' device {features.device}, but got {labels.device}"
        )
    return Views.of(z, labels.repeat(views), index=index)

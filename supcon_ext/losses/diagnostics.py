"""What a batch's loss is made of: per anchor, and as a few numbers that tell a sick run.

Computed in tiles, like the loss: no matrix of pairs is held. Nothing here passes a gradient.

Shape letters: A anchors, K contrasts, D embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from supcon_ext.losses.gradients import tangent
from supcon_ext.losses.rows import PairRule, Rows, WeightPlan
from supcon_ext.losses.tiled import TILE, Form, TiledProblem

COLLAPSE = 0.01


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Numbers about one batch, detached.

    Vectors are 0 for anchors without a positive; scalars are taken over anchors or pairs that
    exist, and NaN where there is none.

    Attributes:
        loss: ``(A,)`` loss of each anchor.
        positives: ``(A,)`` sum of each anchor's targets.
        kl: ``(A,)`` loss less the entropy of the anchor's normalised targets, which for hard
            targets is log |P|. In the ``out`` form with weights of 1 this is KL(targets || softmax)
            >= 0: 0 is the best, whatever the batch's size.
        positive_gradient: ``(A,)`` norm of the positives' part of the gradient by the anchor's
            embedding w before normalisation, times the length of w, other rows held fixed.
        negative_gradient: ``(A,)`` the same of the negatives' part (Khosla et al. 2020, supplement:
            the two sums over P(i) and N(i)).
        alignment: Scalar, mean squared distance of positive pairs, weighted by their targets (Wang
            and Isola 2020, alpha = 2). 0 is the best.
        uniformity: Scalar, log mean exp(-2 d^2) over pairs that are not a row with itself (Wang and
            Isola 2020, t = 2). 0 where all rows are equal, lower is more spread out.
        positive_similarity: Scalar, mean cosine of positive pairs, weighted by their targets.
        negative_similarity: Scalar, mean cosine of admitted pairs that are not positive.
        collapsed: Scalar bool: the mean loss lies within 1 % of log(M - 1), what equal embeddings
            give, with M - 1 the (weighted) number of admitted contrasts of an anchor. At large
            temperatures well-spread embeddings come close to it as well; ``uniformity`` tells the
            two apart.
    """

    loss: Tensor
    positives: Tensor
    kl: Tensor
    positive_gradient: Tensor
    negative_gradient: Tensor
    alignment: Tensor
    uniformity: Tensor
    positive_similarity: Tensor
    negative_similarity: Tensor
    collapsed: Tensor


@torch.no_grad()
def diagnose(
    anchors: Rows,
    contrasts: Rows,
    rule: PairRule,
    losses_A: Tensor,
    targets_A: Tensor,
    temperature: float,
    tile: int = TILE,
    *,
    plan: WeightPlan | None = None,
    form: Form = "out",
) -> Diagnostics:
    """Diagnostics of a batch whose loss is known, for denominators of all contrasts.

    Args:
        anchors: A rows of unit norm.
        contrasts: K rows of unit norm.
        rule: Gives the targets of a tile, as it did for the loss.
        losses_A: ``(A,)`` loss of each anchor.
        targets_A: ``(A,)`` sums of the targets; 0 marks an anchor without positives.
        temperature: tau > 0, where the plan gives none.
        tile: Rows and columns of a tile.
        plan: Contrast weights and row temperatures that the loss was computed with.
        form: The loss's form; it decides how the gradient is shared among positives.

    Raises:
        ValueError: ``losses_A`` or ``targets_A`` are not one number an anchor.
    """
    for name, vector in (("losses_A", losses_A), ("targets_A", targets_A)):
        if vector.shape != (len(anchors),):
            raise ValueError(
                f"Expected `{name}` of shape ({len(anchors)},), one for each anchor, "
                f"but got {tuple(vector.shape)}"
            )
    plan = plan or WeightPlan()
    problem = TiledProblem(
        anchors.detached(), contrasts.detached(), rule, plan, temperature, form, tile
    )
    z_AD, z_KD = anchors.z.detach(), contrasts.z.detach()
    tau_A = z_AD.new_full((len(z_AD),), temperature)
    tau_A = tau_A if plan.temperature is None else plan.temperature.to(z_AD.dtype)
    sums = _PairSums(problem, z_AD, z_KD, tau_A)
    some = targets_A > 0
    zero = torch.zeros_like(losses_A)
    safe = torch.where(some, targets_A, torch.ones_like(targets_A))
    entropy = safe.log() - sums.surprise / safe
    pull, push = _gradient_parts(problem, z_AD, z_KD, sums, some)
    loss = losses_A.detach()
    mean_loss = loss[some].mean()
    return Diagnostics(
        loss=loss,
        positives=targets_A.detach(),
        kl=torch.where(some, loss - entropy, zero),
        positive_gradient=torch.linalg.vector_norm(tangent(pull, z_AD), dim=1) / tau_A,
        negative_gradient=torch.linalg.vector_norm(tangent(push, z_AD), dim=1) / tau_A,
        alignment=sums.distance / sums.positive_mass,
        uniformity=(sums.spread / sums.pairs).log(),
        positive_similarity=sums.positive_similarity / sums.positive_mass,
        negative_similarity=sums.negative_similarity / sums.negatives,
        collapsed=_collapsed(mean_loss, sums.log_mass[some].mean()),
    )


def _collapsed(mean_loss: Tensor, equal_rows: Tensor) -> Tensor:
    return (mean_loss - equal_rows).abs() <= COLLAPSE * equal_rows.abs()


class _PairSums:
    """First pass: sums over pairs, and each anchor's log-sum-exps."""

    def __init__(self, problem: TiledProblem, z_AD: Tensor, z_KD: Tensor, tau_A: Tensor) -> None:
        count = len(z_AD)
        self.log_denominator = z_AD.new_full((count,), -torch.inf)
        self.log_mass = z_AD.new_full((count,), -torch.inf)
        self.log_positive = z_AD.new_full((count,), -torch.inf)
        self.total = z_AD.new_zeros(count)
        self.surprise = z_AD.new_zeros(count)
        scalars = z_AD.new_zeros(7)
        norm_A, norm_K = z_AD.square().sum(1), z_KD.square().sum(1)
        for rows, columns, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            self._add_anchors(rows, logits, log_weight, targets)
            similarity = logits * tau_A[rows, None]
            distance = norm_A[rows, None] + norm_K[None, columns] - 2 * similarity
            admitted = (log_weight > -torch.inf).to(z_AD.dtype)
            negative = admitted * (targets == 0)
            scalars += torch.stack(
                [
                    targets.sum(),
                    (targets * distance).sum(),
                    (targets * similarity).sum(),
                    negative.sum(),
                    (similarity * negative).sum(),
                    admitted.sum(),
                    ((-2 * distance).exp() * admitted).sum(),
                ]
            )
        self.positive_mass, self.distance, self.positive_similarity = scalars[:3]
        self.negatives, self.negative_similarity, self.pairs, self.spread = scalars[3:]

    def _add_anchors(
        self, rows: slice, logits: Tensor, log_weight: Tensor, targets: Tensor
    ) -> None:
        for kept, values in (
            (self.log_denominator, logits + log_weight),
            (self.log_mass, log_weight),
            (self.log_positive, logits + targets.log()),
        ):
            kept[rows] = torch.logaddexp(kept[rows], values.logsumexp(1))
        self.total[rows] += targets.sum(1)
        self.surprise[rows] += torch.xlogy(targets, targets).sum(1)


def _gradient_parts(
    problem: TiledProblem, z_AD: Tensor, z_KD: Tensor, sums: _PairSums, some: Tensor
) -> tuple[Tensor, Tensor]:
    """Second pass: ``(A, D)`` sums of (P - X) z over the positives and over the negatives."""
    pull, push = torch.zeros_like(z_AD), torch.zeros_like(z_AD)
    zero = z_AD.new_zeros(())
    log_denominator = torch.where(some, sums.log_denominator, zero)
    log_positive = torch.where(some, sums.log_positive, zero)
    safe = torch.where(some, sums.total, torch.ones_like(sums.total))
    for rows, columns, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
        force = (logits + log_weight - log_denominator[rows, None]).exp()
        if problem.form == "out":
            force -= targets / safe[rows, None]
        else:
            force -= targets * (logits - log_positive[rows, None]).exp()
        force = torch.where(some[rows, None], force, zero)
        positive = targets > 0
        pull[rows] += force.masked_fill(~positive, 0.0) @ z_KD[columns]
        push[rows] += force.masked_fill(positive, 0.0) @ z_KD[columns]
    return pull, push

"""Gradients of the loss in closed form, with the whole matrix of pairs: for tests and for study.

With P_ia the share of contrast a in the denominator of anchor i and X_ia its share in the target,

    dL_i / dz_i = 1 / tau  sum_a (P_ia - X_ia) z_a         (Khosla et al. 2020, supplement)

On positives X is 1 / |P(i)| in the ``out`` form and the softmax over P(i) in the ``in`` form; on
negatives it is 0. Where every row is a contrast of the others too, z_i also receives what it does
as a contrast.

Shape letters: A anchors, K contrasts, N rows that are both, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.tiled import Form


def denominator_shares(logits_AK: Tensor, admitted_AK: Tensor) -> Tensor:
    """P_ia: the softmax of each anchor over its admitted contrasts.

    Args:
        logits_AK: ``(A, K)`` similarities over the temperature.
        admitted_AK: ``(A, K)`` bool, contrasts in the denominator (all but the anchor itself).

    Returns:
        ``(A, K)`` in [0, 1], 0 outside; a row without any contrast is 0.
    """
    return _softmax(logits_AK, admitted_AK.to(logits_AK.dtype))


def target_shares(logits_AK: Tensor, targets_AK: Tensor, form: Form = "out") -> Tensor:
    """X_ia: what the positives ask of each contrast.

    Args:
        logits_AK: ``(A, K)`` similarities over the temperature.
        targets_AK: ``(A, K)`` targets t >= 0, 0 on the pair of a row with itself.
        form: ``out``: t over its sum. ``in``: the softmax over the positives, weighted by t.

    Returns:
        ``(A, K)`` in [0, 1]; a row without positives is 0.
    """
    targets = targets_AK.to(logits_AK.dtype)
    if form == "in":
        return _softmax(logits_AK, targets)
    total = targets.sum(1, keepdim=True)
    return targets / torch.where(total > 0, total, torch.ones_like(total))


def pair_forces(
    logits_AK: Tensor, targets_AK: Tensor, admitted_AK: Tensor, form: Form = "out"
) -> Tensor:
    """G_ia = P_ia - X_ia, the derivative of L_i by the logit of a pair; rows sum to 0.

    Args:
        logits_AK: ``(A, K)`` similarities over the temperature.
        targets_AK: ``(A, K)`` targets t >= 0, 0 on the pair of a row with itself.
        admitted_AK: ``(A, K)`` bool, contrasts in the denominator.
        form: ``out`` or ``in``.

    Returns:
        ``(A, K)``; below 0 pulls the pair together. An anchor without positives has a row of 0.
    """
    forces = denominator_shares(logits_AK, admitted_AK) - target_shares(logits_AK, targets_AK, form)
    return forces * (targets_AK > 0).any(1, keepdim=True)


def anchor_gradient(
    z_AD: Tensor,
    z_KD: Tensor,
    targets_AK: Tensor,
    admitted_AK: Tensor,
    temperature: float,
    form: Form = "out",
) -> Tensor:
    """dL_i / dz_i with every contrast held fixed.

    Args:
        z_AD: ``(A, D)`` anchors of unit norm.
        z_KD: ``(K, D)`` contrasts of unit norm.
        targets_AK: ``(A, K)`` targets t >= 0, 0 on the pair of a row with itself.
        admitted_AK: ``(A, K)`` bool, contrasts in the denominator.
        temperature: tau > 0.
        form: ``out`` or ``in``.

    Returns:
        ``(A, D)``, row i by z_i.
    """
    logits = z_AD @ z_KD.T / temperature
    return pair_forces(logits, targets_AK, admitted_AK, form) @ z_KD / temperature


def full_gradient(
    z_ND: Tensor, targets_NN: Tensor, temperature: float, form: Form = "out"
) -> Tensor:
    """d(sum_i L_i) / dz where every row is an anchor and a contrast of all others.

    It is (G + G^T) z / tau: G z is the anchors' half, G^T z comes from being a contrast.

    Args:
        z_ND: ``(N, D)`` rows of unit norm.
        targets_NN: ``(N, N)`` targets t >= 0; the diagonal is ignored.
        temperature: tau > 0.
        form: ``out`` or ``in``.

    Returns:
        ``(N, D)``.
    """
    others = ~torch.eye(len(z_ND), dtype=torch.bool, device=z_ND.device)
    logits = z_ND @ z_ND.T / temperature
    forces = pair_forces(logits, targets_NN * others, others, form)
    return (forces + forces.T) @ z_ND / temperature


def through_normalization(grad_ND: Tensor, w_ND: Tensor) -> Tensor:
    """The gradient by w of a function of z = w / |w|: (I - z z^T) grad / |w|.

    Args:
        grad_ND: ``(N, D)`` gradient by z.
        w_ND: ``(N, D)`` vectors before normalisation, none of them zero.

    Returns:
        ``(N, D)``, each row at a right angle to its w.
    """
    norm: Tensor = torch.linalg.vector_norm(w_ND, dim=1, keepdim=True)
    return tangent(grad_ND, w_ND / norm) / norm


def tangent(rows_ND: Tensor, z_ND: Tensor) -> Tensor:
    """(I - z z^T) applied row by row: what is left of each row at a right angle to z.

    Args:
        rows_ND: ``(N, D)``.
        z_ND: ``(N, D)`` of unit norm.
    """
    along: Tensor = torch.linalg.vecdot(rows_ND, z_ND)
    return rows_ND - along[:, None] * z_ND


def pair_strength(cosine: Tensor, force: Tensor) -> Tensor:
    """sqrt(1 - c^2) |P - X|: how strongly one pair moves its anchor, times tau |w|.

    A contrast of cosine c to the anchor has a part of length sqrt(1 - c^2) at a right angle to it;
    only this part reaches the embedding before normalisation, so easy pairs count little.

    Args:
        cosine: Any shape, in [-1, 1].
        force: P_ia - X_ia of the same shape.
    """
    across: Tensor = (1 - cosine.square()).clamp(min=0).sqrt()
    return across * force.abs()


def _softmax(logits_AK: Tensor, weight_AK: Tensor) -> Tensor:
    weighted = logits_AK + weight_AK.log()
    some = (weight_AK > 0).any(1, keepdim=True)
    shares: Tensor = torch.where(some, weighted, torch.zeros_like(weighted)).softmax(1)
    return shares * some

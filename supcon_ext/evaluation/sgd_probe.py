"""The linear probe of SupCon's CIFAR experiments: SGD in steps, on augmented features if any.

Shape letters: N samples, F features, C classes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from supcon_ext.logistic_regression import LinearModel

logger = logging.getLogger(__name__)

# Where the learning rate is multiplied by DECAY, as shares of all epochs: 60, 75 and 90 of 100.
MILESTONES = (0.6, 0.75, 0.9)
DECAY = 0.2


def fit_sgd_probe(
    features: Callable[[int], Tensor],
    label: Tensor,
    classes: int,
    seed: int,
    epochs: int = 100,
    batch_size: int = 512,
    lr: float = 5.0,
    momentum: float = 0.9,
) -> LinearModel:
    """Train a linear classifier by SGD without weight decay; the last, smaller batch is kept.

    The protocol that accompanies Khosla et al. 2020 on CIFAR: 100 epochs in batches of 512 at a
    learning rate of 5, times 0.2 after epochs 60, 75 and 90. Features go in as they are, so the
    rate fits features of their size.

    Args:
        features: ``features(epoch)`` gives ``(N, F)`` float32, row for row of ``label``.
        label: ``(N,)`` int64 in ``[0, classes)``.
        classes: Number of classes.
        seed: Of the first weights and of the order of samples.
        epochs: Passes over the samples.
        batch_size: Samples a step.
        lr: First learning rate.
        momentum: Of SGD.

    Raises:
        ValueError: ``features`` gives another number of rows than there are labels.
    """
    generator = torch.Generator().manual_seed(seed)
    count, device = len(label), label.device
    x = _checked(features(0), count)
    bound = 1 / math.sqrt(x.shape[1])
    weight, bias = (
        torch.empty(shape).uniform_(-bound, bound, generator=generator).to(device).requires_grad_()
        for shape in ((classes, x.shape[1]), (classes,))
    )
    optimizer = torch.optim.SGD([weight, bias], lr=lr, momentum=momentum)
    schedule = torch.optim.lr_scheduler.MultiStepLR(
        optimizer, [round(epochs * share) for share in MILESTONES], DECAY
    )
    total = math.inf
    for epoch in range(epochs):
        x = x if epoch == 0 else _checked(features(epoch), count)
        order = torch.randperm(count, generator=generator).to(device)
        total = 0.0
        for rows in torch.split(order, batch_size):
            loss = F.cross_entropy(x[rows] @ weight.T + bias, label[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        schedule.step()
    if not total / count < math.log(max(classes, 2)):
        logger.warning(
            "SGD probe has not converged: its training loss of %.3g is no better than chance "
            "(%.3g). Try: a lower learning rate than %g, or solver lbfgs",
            total / count,
            math.log(max(classes, 2)),
            lr,
        )
    return LinearModel(weight.detach(), bias.detach())


def _checked(features: Tensor, count: int) -> Tensor:
    if features.ndim != 2 or len(features) != count:
        raise ValueError(
            f"Expected ({count}, F) features of the training samples, "
            f"but got shape {tuple(features.shape)}."
        )
    return features

"""Whether training is well: what would be wrong is found before it starts, or told of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from supcon_ext.models.batch_norms import BATCH_NORMS
from supcon_ext.training.stage import Stage

EQUAL_ROWS = -0.1  # uniformity above this: embeddings are nearly equal


def check_batch_sizes(network: nn.Module, stages: Sequence[Stage], processes: int) -> None:
    """Batch normalisation needs two rows: known before the first step, for every stage.

    Raises:
        ValueError: A process would have a batch of one row.
    """
    if not any(isinstance(part, BATCH_NORMS) for part in network.modules()):
        return
    for stage in stages:
        least = -(-2 // stage.views) * processes
        if stage.batch_size < least:
            raise ValueError(
                f"Expected `stages.{stage.name}.batch_size` of at least {least}: batch "
                "normalisation needs two rows in each process, but got "
                f"{stage.batch_size}. Try: a larger batch, or two views"
            )


def check_finite(loss: Tensor, stage: str, epoch: int, step: int) -> None:
    """See that the loss of a step is a number.

    Raises:
        FloatingPointError: It is not.
    """
    if not math.isfinite(float(loss)):
        raise FloatingPointError(
            f"Expected a finite loss, but got {float(loss)} at step {step} (stage {stage}, epoch "
            f"{epoch + 1}). Try: a smaller learning rate, a warm-up, or clip_norm"
        )


def warn_about(
    means: Mapping[str, float], epoch: int, trained: bool, warn: Callable[[str], None]
) -> None:
    """Tell of an epoch's numbers that mean trouble.

    Args:
        means: By name, as they are logged.
        epoch: Epochs of the stage that are done.
        trained: Whether an epoch was trained before this one.
        warn: Takes the messages.
    """
    for name, value in means.items():
        if name.endswith("/lonely") and value > 0.5:
            warn(
                f"{value:.0%} of the anchors of `{name.split('/')[1]}` had no positive in "
                f"epoch {epoch + 1}: they teach nothing. Try: a larger batch or more views"
            )
    # measured on an epoch's first batch: before that of the first nothing was trained
    for name in [n for n in means if trained and n.endswith("/collapsed")]:
        term = name.removesuffix("/collapsed")
        if means[name] > 0 and means.get(f"{term}/uniformity", 0.0) > EQUAL_ROWS:
            warn(
                f"the embeddings of `{term.split('/')[1]}` have collapsed: all are nearly "
                "equal, and the gradient is next to nothing. Try: a warm-up, or a smaller "
                "learning rate"
            )

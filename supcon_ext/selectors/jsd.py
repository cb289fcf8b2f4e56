"""How far two networks' prediction is from the label, in bits."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import constant


def jsd_bits(probability_NC: Tensor, label: Tensor) -> Tensor:
    """Jensen-Shannon divergence of predictions from one-hot labels (Karim et al. 2022, eq. 2).

    With a one-hot label it depends on the label's probability p alone:
    1 + (p log2 p - (1 + p) log2 (1 + p)) / 2. In bits it fills [0, 1]; in nats it would end at
    log 2 = 0.693.

    Args:
        probability_NC: ``(N, C)`` float, rows summing to 1.
        label: ``(N,)`` int64.

    Returns:
        ``(N,)`` float64 in [0, 1].
    """
    given = probability_NC.double().gather(1, label[:, None])[:, 0].clamp(0, 1)
    nats = torch.xlogy(given, given) - torch.xlogy(1 + given, 1 + given)
    return (1 + nats / torch.log(torch.tensor(2.0, dtype=torch.float64)) / 2).clamp(0, 1)


def divergence(bank: SampleBank) -> Tensor:
    """``(N,)`` float64 JSD in bits of the mean of the two networks' softmax from the label."""
    own = bank.need("logits").double().softmax(1)
    peer = bank.need("peer_logits").double().softmax(1)
    return jsd_bits((own + peer) / 2, bank.label)


@selector("jsd")
class JSD(SampleSelector):
    """Keeps samples whose label is near to what two networks predict (Karim et al. 2022, UNICON).

    The measure d is the Jensen-Shannon divergence of the networks' mean probabilities from the
    label, in bits. The score is 1 - d. Where all d are equal every sample is kept.

    Args:
        threshold: Kept is whose d is smaller.
    """

    requires = frozenset({"logits", "peer_logits"})

    def __init__(self, threshold: Annotated[float, Field(gt=0, le=1)] = 0.5) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(
                "Expected a divergence in bits, above 0 and at most 1, of argument `threshold`, "
                f"but got {threshold}. Try: 0.5"
            )
        self.threshold = threshold

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Compare predictions with labels."""
        found = divergence(bank)
        kept = torch.ones(len(bank)) if constant(found) else found < self.threshold
        stats = {"kept": float(kept.sum()), "divergence": float(found.mean())}
        return Selection.of(bank.label, kept, stats, 1 - found)

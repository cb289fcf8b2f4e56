"""The conventions of the authors' PyTorch code, for runs that must be comparable with it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from supcon_ext.losses.supcon import SupConLoss


class KhoslaLoss(nn.Module):
    """SupCon as Khosla et al.'s PyTorch code computes it, call for call, where that is finite.

    It differs from :class:`SupConLoss` in three conventions: the loss is multiplied by
    ``temperature / base_temperature``; anchors without a positive count as 0 in the mean; features
    are taken as they are, not normalised. Where the original gives NaN (features that are not
    normalised, half precision), this does not. Their TensorFlow code agrees for two views and more;
    its branch for one view divides by the number of positives twice, where eq. 2 divides once.

    Args:
        temperature: tau.
        base_temperature: Its reference; equal to tau for no factor.
        contrast_mode: ``all`` rows are anchors, or ``one``: the first view of each sample.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        base_temperature: float = 0.07,
        contrast_mode: Literal["all", "one"] = "all",
    ) -> None:
        super().__init__()
        if contrast_mode not in ("all", "one"):
            raise ValueError(
                f"Expected `contrast_mode` to be 'all' or 'one', but got {contrast_mode!r}"
            )
        if not base_temperature > 0:
            raise ValueError(f"Expected `base_temperature` above 0, but got {base_temperature}")
        self.loss = SupConLoss(
            temperature,
            anchors="all" if contrast_mode == "all" else "first",
            normalize=False,
            scale=temperature / base_temperature,
            empty="zero",
        )

    def forward(
        self, features: Tensor, labels: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The loss of a batch.

        Args:
            features: ``(B, V, ...)``; what is behind the second dimension is flattened.
            labels: ``(B,)`` or ``(B, 1)``; None with no mask is SimCLR.
            mask: ``(B, B)``, values >= 0; entry (i, j) says whether sample j is a positive of
                sample i.

        Raises:
            ValueError: Fewer than three dimensions, shapes that do not fit, or labels and mask
                together.
        """
        if features.ndim < 3:
            raise ValueError(
                "Expected `features` of shape (samples, views, ...), but got "
                f"{tuple(features.shape)}"
            )
        if labels is not None and mask is not None:
            raise ValueError("Expected `labels` or `mask`, but got both")
        if labels is not None:
            labels = labels.reshape(-1)
            if labels.is_floating_point():
                labels = torch.unique(labels, return_inverse=True)[1]
        result: Tensor = self.loss(features.flatten(2), labels, mask=mask)
        return result

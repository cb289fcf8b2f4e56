"""The conventions of the authors' PyTorch code, for runs that must be comparable with it."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from supcon_ext.losses.arguments import number, one_of, shown, vector
from supcon_ext.losses.supcon import SupConLoss
from supcon_ext.losses.untraced import untraced


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
        one_of("contrast_mode", contrast_mode, ("all", "one"))
        temperature = number("temperature", temperature, above=0)
        base_temperature = number("base_temperature", base_temperature, above=0)
        self.loss = SupConLoss(
            temperature,
            anchors="all" if contrast_mode == "all" else "first",
            normalize=False,
            scale=temperature / base_temperature,
            empty="zero",
        )

    @untraced
    def forward(self, features: Tensor, labels: Any = None, mask: Any = None) -> Tensor:
        """The loss of a batch.

        Args:
            features: ``(B, V, ...)``; what is behind the second dimension is flattened.
            labels: ``(B,)`` or ``(B, 1)``, any numbers: a tensor, a list or a numpy array; equal
                ones are a class, -1 too. None with no mask is SimCLR.
            mask: ``(B, B)``, values >= 0; entry (i, j) says whether sample j is a positive of
                sample i.

        Raises:
            ValueError: Fewer than three dimensions, shapes that do not fit, or labels and mask
                together.
        """
        if not isinstance(features, Tensor) or features.ndim < 3:
            raise ValueError(
                "Expected a tensor of shape (samples, views, ...) as argument `features`, but got "
                f"{shown(features)}. Try: features[:, None] for one view"
            )
        if labels is not None and mask is not None:
            raise ValueError("Expected `labels` or `mask`, but got both. Try: one of them")
        if labels is not None:
            labels = vector("labels", labels, features)
            if labels.shape not in ((len(features),), (len(features), 1)):
                raise ValueError(
                    f"Expected `labels` of shape ({len(features)},), one for each sample, "
                    f"but got {shown(labels)}. Try: a label for each sample"
                )
            labels = torch.unique(labels.reshape(-1), return_inverse=True)[1]
        result: Tensor = self.loss(features.flatten(2), labels, mask=mask)
        return result

"""Linear layers with the first weights of vision transformers."""

from __future__ import annotations

from torch import nn

STD = 0.02


class TruncatedLinear(nn.Linear):
    """A linear layer whose weight starts as a truncated normal of 0.02, its bias as 0."""

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        nn.init.trunc_normal_(self.weight, std=STD)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

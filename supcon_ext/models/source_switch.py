"""What batch norms that are apart for each source are told of a pass."""

from __future__ import annotations

from torch import Tensor


class SourceSwitch:
    """Which rows of the pass under way are synthetic; shared by the norms of one network.

    Attributes:
        synthetic: ``(n,)`` bool; None where all are real, as in evaluation.
    """

    def __init__(self) -> None:
        self.synthetic: Tensor | None = None

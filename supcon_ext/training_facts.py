"""What is known before training starts, for parts that size themselves by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from supcon_ext.losses.rows import Source

if TYPE_CHECKING:
    from supcon_ext.models.network import Network
    from supcon_ext.objectives.passes import Pass
    from supcon_ext.selectors.base import PositiveSelector


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What is known before training starts.

    Attributes:
        samples: Number of training samples N.
        classes: Number of classes C.
        counts: ``(C,)`` int64 training samples of each given label.
        real_counts: ``(C,)`` int64 real ones among them; None where all are.
        dim: Length D of a projection.
        features: Length F of a feature vector.
        epochs: Epochs of the stage.
        selector: The stage's positive selector, for terms that need its pairs; None without one.
        network: The network that is trained, for the sizes of its parts.
        captions: Texts of the captions by the numbers in the rows' column ``caption``.
        new_network: Makes a second network like the first, with weights of its own for a name.
        passes: What all terms of the stage pass through networks.
    """

    samples: int
    classes: int
    counts: Tensor
    dim: int
    features: int = 0
    epochs: int = 1
    selector: PositiveSelector | None = None
    network: Network | None = None
    captions: tuple[str, ...] = ()
    new_network: Callable[[str], Network] | None = None
    real_counts: Tensor | None = None
    passes: tuple[Pass, ...] = ()

    def counts_of(self, source: Source | None) -> Tensor:
        """``(C,)`` int64 samples of each given label: of one source, or of all for None."""
        if source is None:
            return self.counts
        real = self.counts if self.real_counts is None else self.real_counts
        return real if source == Source.REAL else self.counts - real

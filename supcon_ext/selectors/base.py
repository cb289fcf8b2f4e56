"""What a positive selector is: it decides which pairs are positives, and whom to believe.

A selector of one's own is a class with one method, in a module that a recipe names under
``plugins``::

    @selector("same_scanner")
    class SameScanner(PositiveSelector):
        '''Positives share the label and the scanner that took them.'''

        def targets(self, pairs):
            return pairs.same("label") & pairs.same("scanner")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar

import torch
from torch import Tensor

from data_tools.registry import Registry
from supcon_ext.losses.factors import Factors
from supcon_ext.losses.pairs import PairTile, Views


class Role(IntEnum):
    """What a sample is used for (values of ``Selection.role``)."""

    LABELLED = 0
    UNLABELLED = 1
    DROPPED = 2


@dataclass(frozen=True, slots=True)
class SampleBank:
    """What is known of every training sample at an epoch's start, in data set order; read-only.

    Only what some part requires is filled in; the rest is None.

    Attributes:
        index: ``(N,)`` int64, 0 to N - 1.
        label: ``(N,)`` int64 given labels.
        classes: Number of classes C.
        features: ``(N, F)`` float32 backbone features.
        z: ``(N, D)`` float32 projections of unit norm.
        logits: ``(N, C)`` float32 of the classifier.
        loss: ``(N,)`` float32 cross-entropy of the logits against the given labels.
        columns: Further columns of the data set.
    """

    index: Tensor
    label: Tensor
    classes: int
    features: Tensor | None = None
    z: Tensor | None = None
    logits: Tensor | None = None
    loss: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selector believes of every training sample, in data set order.

    Attributes:
        trust: ``(N,)`` float32 in [0, 1].
        label: ``(N,)`` int64 working label, given or corrected.
        role: ``(N,)`` int8, a :class:`Role`.
        stats: Thresholds, counts, mixture parameters: logged with the epoch.
    """

    trust: Tensor
    label: Tensor
    role: Tensor
    stats: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(label: Tensor, trust: Tensor, stats: Mapping[str, float] | None = None) -> Selection:
        """A selection in which every sample stays labelled."""
        role = torch.zeros(len(label), dtype=torch.int8)
        return Selection(trust.float(), label.long(), role, dict(stats or {}))


class PositiveSelector(ABC):
    """Decides which pairs are positives.

    Attributes:
        requires: What :meth:`refresh` needs of the bank: any of ``features``, ``z``, ``logits``,
            ``loss``. Only what some part requires is computed.
    """

    requires: ClassVar[frozenset[str]] = frozenset()

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Look at the whole training set, once at the start of an epoch.

        Args:
            bank: What is known of every sample.
            epoch: Epochs of the stage that are done, from 0.

        Returns:
            What to believe from here on; None changes nothing.
        """
        return None

    @abstractmethod
    def targets(self, pairs: PairTile) -> Tensor:
        """How much each contrast is a positive of each anchor.

        Must not depend on which tile of the pair matrix it is asked about, and must answer the same
        when asked again. Pairs of a view with itself are removed for you.

        Args:
            pairs: A tile of A anchors and K contrasts.

        Returns:
            ``(A, K)`` floats >= 0, or bool.
        """

    def factors(self, views: Views) -> Factors | None:
        """The targets told by vectors, where they follow from what is known of each view alone.

        With factors the loss asks nothing pair by pair, which is several times as fast. Both ways
        must agree.

        Args:
            views: N rows: anchors and contrasts.

        Returns:
            Their vectors; None where this selector cannot.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on: tensors, numbers, strings, lists and dicts of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            ValueError: The state is not this selector's.
        """
        if state:
            raise ValueError(
                f"Expected an empty state for selector {type(self).__name__}, which keeps none, "
                f"but got keys {sorted(state)}"
            )


selector: Registry[PositiveSelector] = Registry("selector", "supcon_ext.selectors")

"""What a step is given: groups of rows, whatever they come from, and who gives them.

Shape letters: V views, B samples of a batch, n = V B rows of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch import Tensor

from data_tools.samples import IntArray

if TYPE_CHECKING:
    from data_tools.samples import SampleSet
    from supcon_ext.policies.base import View


class Group(NamedTuple):
    """Rows of one kind: views of so many samples, view after view.

    Groups of one step may differ in size, in samples and in views.
    """

    x: Tensor
    """``(n, ...)`` images or vectors, float32."""
    sample: Tensor
    """``(n,)`` int64 place in the training set; ``~place`` while a blank stands in for it."""
    views: int = 1
    """V; row ``v B + b`` is view v of the group's sample b."""

    @property
    def samples(self) -> int:
        """B, samples of the group."""
        return len(self.sample) // self.views


Batch = Mapping[str, Group]
"""The groups of a step by their names, in the order of the recipe."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What a group holds of each sample.

    Attributes:
        name: By which terms of the objective speak of it.
        view: Draws one view of a sample.
        count: V, views of each sample.
    """

    name: str
    view: View
    count: int = 1


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Which samples an epoch visits.

    Attributes:
        epoch: 0, 1, ...
        start_step: Steps to leave out at its beginning, to go on in the middle of an epoch.
        order: ``(n,)`` int64 samples in the order of their visits, which may come several times;
            None visits each once, in an order drawn from the seed and the epoch.
    """

    epoch: int
    start_step: int = 0
    order: IntArray | None = None


class StageFeed(Protocol):
    """The batches of one stage."""

    def steps(self, plan: EpochPlan) -> int:
        """Steps of a whole epoch, wherever it starts."""
        ...

    def epoch(self, plan: EpochPlan) -> Iterator[Batch]:
        """This process's part of each batch of an epoch."""
        ...

    def check(self) -> None:
        """Draw the views of one sample.

        Raises:
            ValueError: They cannot be drawn.
        """
        ...


Draw = Callable[[int], tuple[int, ...]]
"""The key of a sample's view by its place."""


class Feed(Protocol):
    """Makes batches of samples: in worker processes, on the device, from memory."""

    def stage(
        self,
        groups: Sequence[GroupPlan],
        batch_size: int,
        *,
        views_seed: int,
        order_seed: int,
        drop_last: bool,
    ) -> StageFeed:
        """The training set in batches.

        Args:
            groups: What a batch holds of each sample.
            batch_size: Samples of the global batch, over all processes.
            views_seed: Of the views.
            order_seed: Of the order in which samples are visited.
            drop_last: Leave out the last batch of an epoch if it is short.

        Raises:
            ValueError: Sizes that leave a process without rows or an epoch without batches.
        """
        ...

    def plain(
        self, samples: SampleSet, view: View, places: Tensor, batch_size: int, key: Draw | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One view of the samples at some places, in order.

        Args:
            samples: Any split.
            view: Makes it.
            places: ``(n,)`` int64.
            batch_size: Rows at a time.
            key: Of each view by the sample's place; None for views that draw nothing.

        Yields:
            ``(b, ...)`` float32 and ``(b,)`` int64 places, as :class:`Group` has them.
        """
        ...

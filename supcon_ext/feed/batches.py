"""Which samples go into which batch: everything follows from (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler

from data_tools.randomness import keyed_generator
from data_tools.samples import IntArray, SampleSet
from supcon_ext.feed.base import EpochPlan

Key = tuple[int, ...]

ROWS = 2  # of a process in a batch, at least


class BatchedFeed:
    """What feeds of any kind share: the training set, and this process's part of each batch.

    Args:
        samples: The training set.
        rank: This process's place among those that train.
        world: How many train.
    """

    def __init__(self, samples: SampleSet, *, rank: int = 0, world: int = 1) -> None:
        self.samples = samples
        self.rank = rank
        self.world = world

    def batches(self, batch_size: int, order_seed: int, drop_last: bool) -> EpochBatches:
        """The batches of a stage; arguments as of :meth:`~supcon_ext.feed.base.Feed.stage`."""
        return EpochBatches(
            len(self.samples),
            batch_size,
            seed=order_seed,
            rank=self.rank,
            world=self.world,
            drop_last=drop_last,
        )


class EpochBatches(Sampler[list[Key]]):
    """The batches of one epoch, as lists of ``(epoch, index)``.

    Without an order of its own, epoch e visits every index once, in the permutation drawn from
    ``SeedSequence([seed, e])``. The second and later visits of an index within an epoch get keys
    ``(epoch, index, visit)``, so that their views differ.

    Args:
        count: Samples of the data set.
        batch_size: Samples of the *global* batch, over all processes.
        seed: Of the permutations.
        rank: This process. It takes samples ``rank::world`` of each global batch, so that all
            processes together have exactly the batch that one process alone would have.
        world: Number of processes.
        drop_last: Leave out the last batch of an epoch if it is short. Kept, one that has less than
            two samples for each process joins the batch before: batch normalisation needs two.

    Attributes:
        plan: The epoch that the next iteration gives.

    Raises:
        ValueError: Sizes that leave a process without rows or an epoch without batches.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = True,
    ) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"Expected argument `rank` in [0, {world}), but got {rank}")
        if batch_size < world:
            raise ValueError(
                f"Expected a row for each of the {world} processes in argument `batch_size`, "
                f"but got {batch_size}"
            )
        if seed < 0:
            raise ValueError(f"Expected a non-negative argument `seed`, but got {seed}")
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.drop_last = drop_last
        self.plan: EpochPlan | None = None
        self._check_rows(count)

    def _check_rows(self, count: int) -> None:
        least = self.batch_size if self.drop_last else ROWS * self.world
        if count < least:
            advice = (
                "a smaller batch_size, or drop_last=False" if self.drop_last else "more samples"
            )
            raise ValueError(
                f"Expected at least {least} samples for one batch, but got {count}. Try: {advice}"
            )

    def steps(self, plan: EpochPlan | None = None) -> int:
        """Steps of a whole epoch, wherever it starts.

        Args:
            plan: The epoch; None for one that visits each sample once.
        """
        order = None if plan is None else plan.order
        full, rest = divmod(self.count if order is None else len(order), self.batch_size)
        return full if self.drop_last else max(full + (rest >= ROWS * self.world), 1)

    def __len__(self) -> int:
        """Steps of the epoch set last."""
        return self.steps(self.plan)

    def set_epoch(self, plan: EpochPlan) -> None:
        """Choose the epoch that the next iteration gives.

        Raises:
            ValueError: A negative epoch, a step outside the epoch, or an unfit order.
        """
        order = plan.order
        if order is not None:
            if order.ndim != 1 or order.dtype.kind not in "iu" or (order < 0).any():
                raise ValueError(
                    "Expected non-negative integers in one dimension of argument `order`, "
                    f"but got {order.dtype} {order.shape}"
                )
            self._check_rows(len(order))
        if plan.epoch < 0:
            raise ValueError(f"Expected a non-negative argument `epoch`, but got {plan.epoch}")
        steps = self.steps(plan)
        if not 0 <= plan.start_step <= steps:
            raise ValueError(
                f"Expected argument `start_step` in [0, {steps}], but got {plan.start_step}"
            )
        self.plan = plan

    def __iter__(self) -> Iterator[list[Key]]:
        """This process's samples of each batch of the epoch set last.

        Raises:
            ValueError: ``set_epoch`` was never called.
        """
        plan = self.plan
        if plan is None:
            raise ValueError("Expected an epoch to be set, but got none. Try: batches.set_epoch")
        keys = self._keys(plan.epoch, plan.order)
        steps = self.steps(plan)
        for step in range(plan.start_step, steps):
            last = step + 1 == steps and not self.drop_last
            stop = None if last else (step + 1) * self.batch_size
            yield keys[step * self.batch_size : stop][self.rank :: self.world]

    def _keys(self, epoch: int, order: IntArray | None) -> list[Key]:
        if order is None:
            generator = keyed_generator(self.seed, epoch)
            return [(epoch, index) for index in generator.permutation(self.count).tolist()]
        visits: dict[int, int] = {}
        keys: list[Key] = []
        for index in order.tolist():
            visit = visits.get(index, 0)
            visits[index] = visit + 1
            keys.append((epoch, index, visit) if visit else (epoch, index))
        return keys

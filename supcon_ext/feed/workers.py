"""Batches made on the CPU, by worker processes if asked for.

Every batch and every pixel follows from (seed, epoch, index, view). Worker processes only fetch:
0, 1 or 8 of them give the same batches. They start in the platform's own way. On Linux that is fork
(up to Python 3.13), which takes milliseconds and shares images in memory without a copy; it is safe
after torch was imported, because workers touch no CUDA and run single-threaded. Elsewhere it is
spawn, which works too, since data sets and views can be pickled.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from data_tools.samples import SampleSet
from supcon_ext.feed.base import Batch, Draw, EpochPlan, GroupPlan
from supcon_ext.feed.batches import BatchedFeed, EpochBatches
from supcon_ext.feed.dataset import PlainDataset, ViewDataset, as_batch
from supcon_ext.interrupt import STOP_SIGNALS, signals_kept_back
from supcon_ext.policies.base import View

_PR_SET_PDEATHSIG = 1


class WorkerFeed(BatchedFeed):
    """A :class:`~supcon_ext.feed.base.Feed` that reads samples and draws views on the CPU.

    Args:
        samples: The training set.
        workers: Processes that do; 0 does it in this one. Kept alive between epochs.
        rank: This process's place among those that train.
        world: How many train.
        pin_memory: Put batches in page-locked memory, for a faster way to a GPU.
    """

    def __init__(
        self,
        samples: SampleSet,
        *,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(samples, rank=rank, world=world)
        self.workers = workers
        self.pin_memory = pin_memory

    def stage(
        self,
        groups: Sequence[GroupPlan],
        batch_size: int,
        *,
        views_seed: int,
        order_seed: int,
        drop_last: bool,
    ) -> WorkerStageFeed:
        """See :meth:`~supcon_ext.feed.base.Feed.stage`."""
        batches = self.batches(batch_size, order_seed, drop_last)
        dataset = ViewDataset(self.samples, groups, views_seed)
        return WorkerStageFeed(dataset, batches, self.workers, self.pin_memory)

    def plain(
        self,
        samples: SampleSet,
        view: View,
        places: Tensor,
        batch_size: int,
        key: Draw | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`~supcon_ext.feed.base.Feed.plain`."""
        dataset: Any = Subset(PlainDataset(samples, view, key), places.tolist())
        yield from _Loader(dataset, self.workers, batch_size=batch_size)


class WorkerStageFeed:
    """The batches of a stage, whose workers start with the first epoch.

    Args:
        dataset: The views.
        batches: Which samples come when.
        workers: Processes that draw views.
        pin_memory: Whether batches are put in page-locked memory.
    """

    def __init__(
        self, dataset: ViewDataset, batches: EpochBatches, workers: int, pin_memory: bool
    ) -> None:
        self.dataset = dataset
        self.batches = batches
        self._loader = _Loader(
            dataset, workers, batch_sampler=batches, collate_fn=as_batch, pin_memory=pin_memory
        )

    def steps(self, plan: EpochPlan) -> int:
        """Steps of a whole epoch."""
        return self.batches.steps(plan)

    def epoch(self, plan: EpochPlan) -> Iterator[Batch]:
        """This process's part of each batch of an epoch."""
        self.batches.set_epoch(plan)
        yield from self._loader

    def check(self) -> None:
        """Draw the views of the first sample."""
        try:
            self.dataset[0, 0]
        except RuntimeError as error:
            raise ValueError(f"Expected views of one size in a group, but {error}") from error


class _Loader(DataLoader[Any]):
    """A loader whose workers leave a stop to the main process, and end with it.

    An error of a worker reads as it would without workers.
    """

    def __init__(self, dataset: Any, workers: int, **settings: Any) -> None:
        super().__init__(
            dataset,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=_begin,
            generator=torch.Generator(),  # else every epoch takes a draw from torch's global one
            **settings,
        )

    def __iter__(self) -> Any:
        try:
            with signals_kept_back():  # worker processes start here
                batches = super().__iter__()
            yield from batches
        except Exception as error:
            plain = _without_traceback(error)
            if plain is None:
                raise
            raise plain from error


def _without_traceback(error: Exception) -> Exception | None:
    """An error as a worker raised it; None for one that comes from no worker.

    Of what a worker raises, torch makes an error of the same type whose message is the worker's
    traceback. That stays to be seen, as the cause of this one.
    """
    message = str(error)
    name = re.match(r"Caught (\w+) in DataLoader worker process \d+\.\nOriginal ", message)
    if name is None:
        return None
    starts = list(re.finditer(rf"^(?:[\w.]+\.)?{name[1]}: ", message, re.MULTILINE))
    if not starts:
        return None
    return type(error)(message[starts[-1].end() :].rstrip("\n"))


def _begin(worker: int) -> None:
    """In each worker, once.

    OpenCV keeps to the worker's own thread, as torch does with its own pool: threads in every
    worker would only fight for the cores, and a pool does not survive a fork. The setting holds
    for a whole process, so it is made in workers alone: the main process keeps what its user
    chose.
    """
    import cv2

    cv2.setNumThreads(0)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if sys.platform == "linux":
        if os.getppid() == parent.pid:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        threading.Thread(target=_heed, args=(parent.pid,), daemon=True).start()
    else:
        for number in STOP_SIGNALS - {signal.SIGTERM}:  # torch's SIGTERM heeds the parent alone
            signal.signal(number, signal.SIG_IGN)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(0)


def _heed(parent: int | None) -> None:
    """Take the signals of a process group or a batch system, which are meant for the parent.

    Had they killed the worker, the parent would fail for want of it before it could save itself.
    """
    while signal.sigwaitinfo(STOP_SIGNALS).si_pid != parent:
        pass
    os._exit(0)

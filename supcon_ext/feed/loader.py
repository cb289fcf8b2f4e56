"""Which samples go into which batch, and the loaders that fetch them.

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
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from data_tools.samples import IntArray
from supcon_ext.feed.dataset import PlainDataset, ViewDataset
from supcon_ext.training.interrupt import STOP_SIGNALS, signals_kept_back

Key = tuple[int, ...]
_PR_SET_PDEATHSIG = 1

ROWS = 2  # of a process in a batch, at least


class EpochBatches(Sampler[list[Key]]):
    """The batches of one epoch, as lists of ``(epoch, index)``.

    Without ``order``, epoch e visits every index once, in the permutation drawn from
    ``SeedSequence([seed, e])``.

    Args:
        count: Rows an epoch: the size of the data set, unless ``order`` says otherwise.
        batch_size: Rows of the *global* batch, over all processes.
        seed: The run's seed.
        rank: This process. It takes rows ``rank::world`` of each global batch, so that all
            processes together have exactly the batch that one process alone would have.
        world: Number of processes.
        drop_last: Leave out the last batch of an epoch if it is short. Kept, one that has less than
            two rows for each process joins the batch before: batch normalisation needs two.
        order: The indices of epoch e, ``(count,)`` int64, for other samplers. The second and later
            visits of an index within an epoch get keys ``(epoch, index, visit)``, so that their
            views differ.

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
        order: Callable[[int], IntArray] | None = None,
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
        self.order = order
        self.epoch: int | None = None
        self.start_step = 0
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

    def __len__(self) -> int:
        """Steps of a whole epoch, wherever this one starts."""
        full, rest = divmod(self.count, self.batch_size)
        return full if self.drop_last else max(full + (rest >= ROWS * self.world), 1)

    def set_epoch(self, epoch: int, start_step: int = 0, order: IntArray | None = None) -> None:
        """Choose the epoch that the next iteration gives.

        Args:
            epoch: 0, 1, ...
            start_step: Steps to leave out at its beginning, to go on in the middle of an epoch.
            order: ``(n,)`` int64 the epoch's samples, which may be more or fewer than before and
                may come several times; None visits each once.

        Raises:
            ValueError: A negative epoch, or a step outside the epoch.
        """
        if order is not None:
            self._check_rows(len(order))
            self.count = len(order)
            self.order = lambda _: order
        if epoch < 0:
            raise ValueError(f"Expected a non-negative argument `epoch`, but got {epoch}")
        if not 0 <= start_step <= len(self):
            raise ValueError(
                f"Expected argument `start_step` in [0, {len(self)}], but got {start_step}"
            )
        self.epoch = epoch
        self.start_step = start_step

    def __iter__(self) -> Iterator[list[Key]]:
        """This process's rows of each batch of the epoch set last.

        Raises:
            ValueError: ``set_epoch`` was never called, or ``order`` gave something unfit.
        """
        if self.epoch is None:
            raise ValueError("Expected an epoch to be set, but got none. Try: batches.set_epoch(0)")
        keys = self._keys(self.epoch)
        steps = len(self)
        for step in range(self.start_step, steps):
            last = step + 1 == steps and not self.drop_last
            stop = None if last else (step + 1) * self.batch_size
            yield keys[step * self.batch_size : stop][self.rank :: self.world]

    def _keys(self, epoch: int) -> list[Key]:
        if self.order is None:
            generator = np.random.default_rng(np.random.SeedSequence([self.seed, epoch]))
            return [(epoch, index) for index in generator.permutation(self.count).tolist()]
        index_N = np.asarray(self.order(epoch))
        if index_N.shape != (self.count,) or index_N.dtype.kind not in "iu" or index_N.min() < 0:
            raise ValueError(
                f"Expected {self.count} non-negative integers from argument `order`, "
                f"but got {index_N.dtype} {index_N.shape}"
            )
        visits: dict[int, int] = {}
        keys: list[Key] = []
        for index in index_N.tolist():
            visit = visits.get(index, 0)
            visits[index] = visit + 1
            keys.append((epoch, index, visit) if visit else (epoch, index))
        return keys


def training_loader(
    dataset: ViewDataset, batches: EpochBatches, workers: int, pin_memory: bool
) -> DataLoader[tuple[Tensor, int]]:
    """A loader that gives one epoch after each ``batches.set_epoch(e)``.

    Args:
        dataset: The views.
        batches: The order; shared with the caller, who sets the epoch.
        workers: Processes that draw views; 0 draws them in this one. Kept alive between epochs.
        pin_memory: Put batches in page-locked memory, for a faster way to a GPU.

    Returns:
        Batches ``(views (B, V, C, H, W) float32, index (B,) int64)``.
    """
    return _Loader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin_memory,
        worker_init_fn=_begin,
        generator=torch.Generator(),  # else every epoch takes a draw from torch's global one
    )


def evaluation_loader(
    dataset: PlainDataset, batch_size: int, workers: int
) -> DataLoader[tuple[Tensor, int]]:
    """A loader that gives every image once, in order.

    Args:
        dataset: The images.
        batch_size: Rows a batch; the last may be short.
        workers: Processes that read images; 0 reads them in this one.

    Returns:
        Batches ``(images (B, C, H, W) float32, index (B,) int64)``.
    """
    return _Loader(
        dataset,
        batch_size=batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_begin,
        generator=torch.Generator(),
    )


class _Loader(DataLoader[tuple[Tensor, int]]):
    """A loader whose workers leave a stop to the main process, and end with it.

    An error of a worker reads as it would without workers.
    """

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

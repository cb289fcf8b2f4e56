"""How training ends where a signal asks for it: saved first, and all processes together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
import torch.distributed as dist

from data_tools.bad_image import BadImageError
from supcon_ext.interrupt import Interrupted, StopRequest
from supcon_ext.losses.gather import world_size


class Stopping:
    """Ends training when it is asked to.

    Args:
        save: Writes a checkpoint.
        steps: Steps of the run that are done.
        device: Where processes exchange the question.

    Attributes:
        request: Holds the signal that came.
    """

    def __init__(
        self, save: Callable[[], None], steps: Callable[[], int], device: torch.device
    ) -> None:
        self.request = StopRequest()
        self._save = save
        self._steps = steps
        self._device = device

    @contextmanager
    def anywhere(self) -> Iterator[None]:
        """Work that a stop may break off anywhere: it changes nothing that a checkpoint holds.

        One of several processes cannot stop without the others, and waits for the next step.
        """
        if world_size() > 1:
            yield
            return
        try:
            with self.request.at_once():
                yield
        except Interrupted as stopped:
            self._end(stopped.number)

    @contextmanager
    def saved_if_bad(self) -> Iterator[None]:
        """Where an image that has gone bad ends the run, what was learnt is saved first.

        With several processes the others wait for this one, and the last checkpoint must do.
        """
        try:
            yield
        except BadImageError:
            if world_size() == 1:
                self._save()
            raise

    def here(self) -> None:
        """Stop between two steps if any process was asked to.

        Raises:
            Interrupted: It was; a checkpoint was written first.
        """
        number = self.request.number or 0
        if world_size() > 1:
            flag = torch.tensor([float(number)], device=self._device)
            dist.all_reduce(flag, dist.ReduceOp.MAX)
            number = int(flag.item())
        if number:
            self._end(number)

    def _end(self, number: int) -> NoReturn:
        self.request.answer()
        self._save()
        name = signal.Signals(number).name
        raise Interrupted(f"{name}; saved at step {self._steps()}", number)

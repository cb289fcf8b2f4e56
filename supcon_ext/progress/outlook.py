"""How long a run will go on, from what it has done so far: a guess, told as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE, HOUR = 60, 3_600
GUESS_STEPS = 3
GUESS_SECONDS = 2.0
SLOW_SECONDS = 20.0
"""After so long, one step is enough to guess by."""


@dataclass(frozen=True, slots=True)
class Work:
    """A part of a run: a stage, or the evaluation at its end.

    Attributes:
        name: Of the stage.
        amount: How much work it is, in a unit that all parts share: pictures trained on.
    """

    name: str
    amount: float


class Outlook:
    """Follows a run through its parts, and says how long the rest will take.

    What is left of the part under way goes on at that part's own pace, all else at the pace of the
    run. Nothing is said before a few steps and seconds have shown what the pace is.

    Args:
        parts: All of the run, in order.
    """

    def __init__(self, parts: Sequence[Work] = ()) -> None:
        self._parts = list(parts)
        self._place = 0
        self._share = 0.0
        self._run = _Pace()
        self._part = _Pace()

    def begin(self, name: str, share: float, now: float) -> None:
        """A part begins, or goes on after so large a share of it; ``now`` is on any clock."""
        names = [part.name for part in self._parts]
        if name not in names:
            self._parts.append(Work(name, 1.0))
            names.append(name)
        self._place, self._share = names.index(name), share
        self._part = _Pace(now)
        if not self._run.steps:
            self._run = _Pace(now)

    def step(self, share: float) -> None:
        """One step more: so large a share of the part is done."""
        done = self._parts[self._place].amount * (share - self._share)
        self._share = share
        for pace in (self._run, self._part):
            pace.steps += 1
            pace.done += done

    def left(self, now: float) -> float | None:
        """Seconds that the run will still take; None while nobody can know."""
        run = self._run.seconds(now)
        if run is None:
            return None
        part = self._part.seconds(now)
        here = self._parts[self._place].amount * (1 - self._share)
        later = sum(other.amount for other in self._parts[self._place + 1 :])
        return here * (run if part is None else part) + later * run


@dataclass(slots=True)
class _Pace:
    began: float = 0.0
    done: float = 0.0
    steps: int = 0

    def seconds(self, now: float) -> float | None:
        """Seconds that one unit of work takes; None while it is too early to say."""
        passed = now - self.began
        few = self.steps < GUESS_STEPS and passed < SLOW_SECONDS
        if few or passed < GUESS_SECONDS or self.done <= 0:
            return None
        return passed / self.done


def duration(seconds: float) -> str:
    """A length of time as people say it: ``45 s``, ``12 min``, ``9 h 40 min``, ``3 days 4 h``."""
    seconds = max(0, round(seconds))
    if seconds < MINUTE:
        return f"{seconds} s"
    minutes = round(seconds / MINUTE)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / HOUR), 24)
    return f"{days:,} days {hours} h" if hours else f"{days:,} days"

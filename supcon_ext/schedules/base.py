"""The family of schedules."""

from __future__ import annotations

from collections.abc import Callable

from data_tools.registry import Registry

Factor = Callable[[float, float], float]
"""``(position, epochs) -> factor`` on the learning rate, at a place in a stage.

The position runs from 0 to ``epochs``; 2.5 is the middle of the third epoch.
"""

schedule = Registry[Factor]("schedule", "supcon_ext.schedules")
"""Functions ``f(*, warmup_epochs, warmup_from, ...) -> Factor``."""

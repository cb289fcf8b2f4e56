"""Who watches the loop in the processes that nobody watches."""

from __future__ import annotations

import logging
from typing import Any

LOGGERS = ("supcon_ext", "data_tools")


class Silence:
    """Says nothing: progress for processes other than rank zero, and for tests."""

    def __init__(self) -> None:
        self._deaf = logging.NullHandler()
        self.warnings: dict[str, None] = {}

    def __enter__(self) -> Silence:
        """Warnings that the package logs go nowhere, not to standard error."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self._deaf)
        return self

    def __exit__(self, *error: object) -> None:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self._deaf)

    def start_run(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def plan(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def start_stage(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def step(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def epoch_end(self, *args: Any, **kwargs: Any) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

"""Who watches the loop in the processes that nobody watches."""

from __future__ import annotations

from typing import Any


class Silence:
    """Says nothing: progress for processes other than rank zero, and for tests."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(self, *error: object) -> None:
        return None

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

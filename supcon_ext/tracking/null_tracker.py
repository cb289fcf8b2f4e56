"""A tracker for the processes that must not write: all but rank zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from supcon_ext.tracking.encoder_file import EncoderFile
from supcon_ext.tracking.events import Status
from supcon_ext.tracking.tracker import Tracker


class NullTracker:
    """Takes all that a :class:`~supcon_ext.tracking.tracker.Tracker` takes and keeps nothing."""

    uri: str | None = None
    run_id: str | None = None

    def wait_run_id(self, seconds: float) -> str | None:
        """No run."""
        return None

    def params(self, values: Mapping[str, object]) -> None:
        """Keep nothing."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep nothing."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Keep nothing."""

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep nothing."""

    def dataset(
        self, name: str, digest: str, context: str, tags: Mapping[str, str] | None = None
    ) -> None:
        """Keep nothing."""

    def model(
        self,
        file: EncoderFile,
        name: str = "encoder",
        step: int = 0,
        tags: Mapping[str, str] | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        """Keep nothing."""

    def checkpoint_offset(self) -> int:
        """An empty journal."""
        return 0

    def journal_so_far(self) -> bytes:
        """An empty journal."""
        return b""

    def identity(self) -> dict[str, Any]:
        """No run."""
        return {}

    def last_words(self) -> None:
        """Say nothing."""

    def close(self, status: Status) -> int:
        """Nothing is left to send."""
        return 0


AnyTracker: TypeAlias = Tracker | NullTracker

"""What a run remembers of MLflow from one process to the next: ``mirror.json``."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_tools.whole_file import write_whole
from supcon_ext.tracking.settings import TrackingSettings

STATE_NAME = "mirror.json"


@dataclass
class Sent:
    """What one MLflow store has of the run.

    Attributes:
        run_id: The MLflow run; ``None`` until it was made.
        lines: How many lines of the journal it has, counted from the first.
    """

    run_id: str | None = None
    lines: int = 0


@dataclass
class MirrorState:
    """Everything that a later process needs to go on sending.

    Attributes:
        run_name: The run's name in MLflow.
        settings: As the run was started with.
        uri: The resolved tracking URI, ``None`` for a run with a journal only.
        journal_id: Names this journal in MLflow (tag ``supcon.journal``), so that a run whose
            making was interrupted is found again instead of made twice.
        stores: What each store that this run was ever sent to has of it, by URI.
    """

    run_name: str
    settings: TrackingSettings
    uri: str | None
    journal_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    stores: dict[str, Sent] = field(default_factory=dict)

    def store(self, uri: str) -> Sent:
        """What the store at ``uri`` has; nothing, if it is a new one."""
        return self.stores.setdefault(uri, Sent())

    def rewind(self, lines: int) -> None:
        """The journal was cut back to ``lines`` lines: what is written next has not been sent."""
        for sent in self.stores.values():
            sent.lines = min(sent.lines, lines)

    def identity(self) -> dict[str, Any]:
        """What stays as it is over the run's life, as plain values."""
        record = dataclasses.asdict(self)
        del record["stores"]
        return record

    @classmethod
    def of_identity(cls, record: Mapping[str, Any]) -> MirrorState:
        """The state of a run whose stores are not known; they are found by the journal's id."""
        return cls(**{**record, "settings": TrackingSettings(**record["settings"])})

    def save(self, folder: Path) -> None:
        """Write ``mirror.json`` in one step."""
        write_whole(folder / STATE_NAME, json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> MirrorState:
        """Read ``mirror.json``.

        Raises:
            ValueError: The folder has none, so it is no run folder, or it cannot be read.
        """
        path = folder / STATE_NAME
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            record["settings"] = TrackingSettings(**record["settings"])
            record["stores"] = {uri: Sent(**sent) for uri, sent in record["stores"].items()}
            return cls(**record)
        except FileNotFoundError:
            raise ValueError(
                f"Expected a run folder in argument `folder`, but got {folder}, which has no "
                f"{STATE_NAME}. "
                "Try: a folder below runs/"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Expected what the tracker wrote in {path}, but got {error!r}. "
                f"Try: supcon resume {folder}, which makes it again"
            ) from error

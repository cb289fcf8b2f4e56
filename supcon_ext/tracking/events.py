"""What can happen in a run, as the journal writes it down: one small record a line.

Every event knows its time (milliseconds since 1970) and turns into one JSON object and back. Floats
keep all their bits (Python's shortest round-trip form); JSON has no NaN and no infinity, so these
are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

Status: TypeAlias = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
STATUSES: tuple[Status, ...] = ("RUNNING", "FINISHED", "FAILED", "KILLED")


@dataclass(frozen=True, slots=True)
class Param:
    """One setting of the run, set once."""

    kind: ClassVar[str] = "param"
    key: str
    value: str
    time: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One number at one step."""

    kind: ClassVar[str] = "metric"
    key: str
    value: float
    step: int
    time: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A label of the run; a later one of the same key replaces it."""

    kind: ClassVar[str] = "tag"
    key: str
    value: str
    time: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the run folder, to be kept under ``folder`` among the run's artifacts."""

    kind: ClassVar[str] = "artifact"
    path: str
    folder: str
    time: int


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """What is known of a data set that went into the run; no images."""

    kind: ClassVar[str] = "dataset"
    name: str
    digest: str
    context: str
    tags: Mapping[str, str]
    time: int


@dataclass(frozen=True, slots=True)
class SavedEncoder:
    """An exported encoder (``.pt2``) in the run folder; -1 in a shape is the batch.

    ``files`` are those beside it that predict classes of pictures, see
    :mod:`supcon_ext.use.served`; older runs have none.
    """

    kind: ClassVar[str] = "model"
    path: str
    name: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    torch_version: str
    step: int
    time: int
    dtype: str = "float32"
    tags: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The run started, went on, or ended."""

    kind: ClassVar[str] = "status"
    status: Status
    time: int


Event: TypeAlias = Param | Metric | Tag | Artifact | DatasetInput | SavedEncoder | StatusChange
_KINDS: Mapping[str, type[Event]] = {
    kind.kind: kind
    for kind in (Param, Metric, Tag, Artifact, DatasetInput, SavedEncoder, StatusChange)
}


def to_line(event: Event) -> bytes:
    """One line of JSON, ASCII, with its line break."""
    record: dict[str, Any] = {"event": event.kind, **dataclasses.asdict(event)}
    if isinstance(event, Metric) and not math.isfinite(event.value):
        record["value"] = repr(event.value)
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def from_line(line: bytes) -> Event:
    """The event that :func:`to_line` wrote.

    Raises:
        ValueError: The line is no event.
    """
    try:
        record = json.loads(line)
        kind = _KINDS[record.pop("event")]
        if kind is Metric:
            record["value"] = float(record["value"])
        elif kind is SavedEncoder:
            record["input_shape"] = tuple(record["input_shape"])
            record["output_shape"] = tuple(record["output_shape"])
            record["files"] = tuple(record.get("files", ()))
        return kind(**record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Expected one JSON event of a journal, but got {line[:80]!r} ({error!r}). "
            "Try: restore the run folder from its last checkpoint"
        ) from error

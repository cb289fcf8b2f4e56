"""Where a run is tracked, and how patiently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_EXPERIMENT = 500


@dataclass(frozen=True)
class TrackingSettings:
    """Where MLflow is and what to do without it.

    Attributes:
        uri: MLflow tracking URI; ``"none"`` keeps the journal only; ``None`` takes
            ``MLFLOW_TRACKING_URI`` or, where that is not set, ``mlflow.db`` in the current
            directory.
        experiment: Name of the MLflow experiment; made if it is not there.
        on_unreachable: What a server that does not answer at the start means: go on with a warning,
            or fail.
        parent_run_id: MLflow run that this one is a child of.
    """

    uri: str | None = None
    experiment: str = "supcon_ext"
    on_unreachable: Literal["warn", "fail"] = "warn"
    parent_run_id: str | None = None

    def __post_init__(self) -> None:
        if self.on_unreachable not in ("warn", "fail"):
            raise ValueError(
                f"Expected `warn` or `fail` of argument `on_unreachable`, but got "
                f"{self.on_unreachable!r}. "
                "Try: warn"
            )
        if not self.experiment.strip():
            raise ValueError(
                "Expected a name of argument `experiment`, but got an empty one. Try: supcon_ext"
            )
        if len(self.experiment) > MAX_EXPERIMENT:
            raise ValueError(
                f"Expected a name of at most {MAX_EXPERIMENT} characters of argument `experiment`, "
                f"but got {len(self.experiment)}. Try: supcon_ext"
            )


@dataclass(frozen=True)
class Pace:
    """How often the mirror sends, and how long anything waits for MLflow (seconds).

    Attributes:
        interval: Between two looks at the journal.
        batch: Lines that wake the mirror before the interval is over.
        preflight: For a server to answer at all.
        failures: Flushes that fail before the mirror warns and slows down.
        outage: Between two tries while MLflow does not answer.
        quiet: At the end of a run, for one answer of MLflow; also for everything during an outage.
        finish: At the end of a run, for everything, while MLflow does answer.
    """

    interval: float = 2.0
    batch: int = 500
    preflight: float = 3.0
    failures: int = 3
    outage: float = 60.0
    quiet: float = 5.0
    finish: float = 180.0

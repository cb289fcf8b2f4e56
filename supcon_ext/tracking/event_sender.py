"""Sends journal events to one MLflow store, each once."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supcon_ext.tracking import as_mlflow, logged_model, names, sqlite_store
from supcon_ext.tracking.events import (
    Artifact,
    DatasetInput,
    Event,
    Metric,
    SavedEncoder,
    StatusChange,
)
from supcon_ext.tracking.journal import JOURNAL_NAME, read
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.mlflow_client import open_client
from supcon_ext.tracking.store_error import StoreError, first_line
from supcon_ext.tracking.store_uri import sqlite_path, without_login

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

JOURNAL_TAG = "supcon.journal"
METRICS_A_CALL = 1000
OTHERS_A_CALL = 100
FULL_VALUES = "full_values"
# Answers that no second try will change; whatever else fails is tried again.
REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST"})


class EventSender:
    """One run's way into one MLflow store; finds the run there or makes it.

    Args:
        folder: The run folder; artifacts are read from it.
        state: Where the run's id is looked up and written down.
        uri: The resolved tracking URI.
        beat: Called before every request with the seconds that it may fairly take, where these are
            more than usual.
    """

    def __init__(
        self, folder: Path, state: MirrorState, uri: str, beat: Callable[[float | None], None]
    ) -> None:
        self.folder = folder
        self.state = state
        self.uri = uri
        self.refused = 0
        self._beat = beat
        self._sent = state.store(uri)
        self._experiment_id = ""
        self._known_steps: dict[str, set[int]] | None = None
        database = sqlite_path(uri)
        seconds = sqlite_store.MAKING_SECONDS if database else None
        beat(seconds)
        with sqlite_store.alone(database) if database else nullcontext():
            beat(seconds)
            if database:
                sqlite_store.make_ready(database)
            self._client: MlflowClient = open_client(uri)
            self._find_or_make()

    def _find_or_make(self) -> None:
        run = self._find_run()
        if run is None:
            self._experiment_id = self._experiment()
            tags = {JOURNAL_TAG: self.state.journal_id}
            if self.state.settings.parent_run_id:
                tags["mlflow.parentRunId"] = self.state.settings.parent_run_id
            self._beat(None)
            run = self._client.create_run(
                self._experiment_id, self._started_at(), tags, self.state.run_name
            )
            self._sent.lines = 0
        else:
            self._experiment_id = run.info.experiment_id
            self._known_steps = {}
        self._sent.run_id = run.info.run_id
        self.state.save(self.folder)

    def send(self, events: Sequence[Event]) -> None:
        """Send events: values first, then files, the status last.

        Sending the same events again changes nothing in the store. What the store refuses for good
        is logged, counted in ``refused`` and left out, so that one bad value does not hold up the
        rest.

        Raises:
            Exception: Whatever MLflow raises while it cannot be reached; try again later.
        """
        params, tags = as_mlflow.settings(events), as_mlflow.labels(events)
        self._log("params", as_mlflow.params(params))
        self._log("tags", as_mlflow.tags(tags))
        for key, value in as_mlflow.not_whole(params, tags):
            self._try(key, partial(self._in_full, key, value))
        points = [event for event in _of(events, Metric) if math.isfinite(event.value)]
        self._log("metrics", [as_mlflow.metric(event) for event in points if not self._has(event)])
        for event in events:
            match event:
                case Artifact():
                    self._file(event.path, partial(self._artifact, event))
                case DatasetInput():
                    self._try(event.name, partial(self._dataset, event))
                case SavedEncoder():
                    self._file(event.path, partial(self._model, event))
        for change in _of(events, StatusChange)[-1:]:
            self._try(change.status, partial(self._status, change))

    def _find_run(self) -> Any:
        """The run of this journal, or ``None`` where the store has none (any more)."""
        from mlflow.exceptions import MlflowException

        self._beat(None)
        if self._sent.run_id:
            try:
                run = self._client.get_run(self._sent.run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                logger.warning(
                    "%s no longer has run %s; it is sent again as a new run",
                    self.uri,
                    self._sent.run_id,
                )
                return None
            return run
        experiment = self._client.get_experiment_by_name(self.state.settings.experiment)
        if experiment is None:
            return None
        self._beat(None)
        runs = self._client.search_runs(
            [experiment.experiment_id], f"tags.`{JOURNAL_TAG}` = '{self.state.journal_id}'"
        )
        return runs[0] if runs else None

    def _started_at(self) -> int | None:
        first = next(read(self.folder / JOURNAL_NAME), None)
        return first.time if first else None

    def _experiment(self) -> str:
        name = self.state.settings.experiment
        self._beat(None)
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        database = sqlite_path(self.uri)
        # Files beside the database, not in whatever directory the first run was started from.
        place = str(database.parent / "mlruns" / _folder_name(name)) if database else None
        return str(self._client.create_experiment(name, artifact_location=place))

    def _has(self, event: Metric) -> bool:
        """Whether an earlier process already sent this key at this step."""
        if self._known_steps is None:
            return False
        if event.key not in self._known_steps:
            self._beat(None)
            history = self._client.get_metric_history(
                self._sent.run_id, names.mlflow_key(event.key)
            )
            self._known_steps[event.key] = {point.step for point in history}
        return event.step in self._known_steps[event.key]

    def _log(self, what: str, items: list[Any]) -> None:
        size = METRICS_A_CALL if what == "metrics" else OTHERS_A_CALL
        for start in range(0, len(items), size):
            self._log_batch(what, items[start : start + size])

    def _log_batch(self, what: str, items: list[Any]) -> None:
        from mlflow.exceptions import MlflowException

        self._beat(None)
        try:
            self._client.log_batch(self._sent.run_id, **{what: items})
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise
            self._check_alive()
            if len(items) > 1:  # find the bad ones
                half = len(items) // 2
                self._log_batch(what, items[:half])
                self._log_batch(what, items[half:])
                return
            self.refused += 1
            logger.warning("MLflow refused %s `%s`: %s", what, items[0].key, first_line(error))

    def _check_alive(self) -> None:
        self._beat(None)
        run = self._client.get_run(self._sent.run_id)
        if run.info.lifecycle_stage != "active":
            raise StoreError(
                f"Expected run {self._sent.run_id} in MLflow at {without_login(self.uri)}, but it "
                "was deleted there. Try: restore it there, or supcon sync RUN --uri URI"
            )

    def _try(self, name: str, send: Callable[[], None]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            send()
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise
            self._check_alive()
            self.refused += 1
            logger.warning("MLflow refused `%s`: %s", name, first_line(error))

    def _file(self, path: str, send: Callable[[Path], None]) -> None:
        file = self.folder / path
        if file.is_file():
            self._try(path, partial(send, file))
        else:
            self.refused += 1
            logger.warning("%s is gone; MLflow does not get it", file)

    def _artifact(self, event: Artifact, file: Path) -> None:
        self._beat(logged_model.UPLOAD_SECONDS)
        self._client.log_artifact(self._sent.run_id, str(file), event.folder or None)

    def _model(self, event: SavedEncoder, file: Path) -> None:
        logged_model.log(
            self._client,
            str(self._sent.run_id),
            self._experiment_id,
            event,
            self.folder,
            self._beat,
        )

    def _in_full(self, key: str, value: str) -> None:
        self._beat(logged_model.UPLOAD_SECONDS)
        self._client.log_text(self._sent.run_id, value, f"{FULL_VALUES}/{names.file_of(key)}")

    def _dataset(self, event: DatasetInput) -> None:
        self._beat(None)
        self._client.log_inputs(self._sent.run_id, datasets=[as_mlflow.dataset(event)])

    def _status(self, event: StatusChange) -> None:
        self._beat(None)
        if event.status == "RUNNING":
            self._client.update_run(self._sent.run_id, status="RUNNING")
        else:
            self._client.set_terminated(self._sent.run_id, event.status, event.time)


def _folder_name(experiment: str) -> str:
    return re.sub(r"[^\w-]+", "-", experiment)[:60]


def _of(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]

"""What a run reports to: the journal at once, MLflow when it can."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supcon_ext.tracking import events, sqlite_store
from supcon_ext.tracking.encoder_file import EncoderFile
from supcon_ext.tracking.events import STATUSES, Event, Status
from supcon_ext.tracking.journal import JOURNAL_NAME, Journal
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.mirror_thread import MirrorThread
from supcon_ext.tracking.settings import Pace, TrackingSettings
from supcon_ext.tracking.store_uri import answers, is_http, resolve_uri, sqlite_path, without_login

logger = logging.getLogger(__name__)

LAST_SECONDS = 0.4


class Tracker:
    """Writes a run's journal and has it mirrored to MLflow.

    Every call returns as soon as the journal is written. In a run of several processes only rank
    zero has one; the others use :class:`~supcon_ext.tracking.null_tracker.NullTracker`.

    Args:
        folder: The run folder, made if it is not there; it must not hold a journal yet.
        settings: Where MLflow is.
        run_name: The run's name in MLflow.
        tags: The run's first tags.
        pace: How often MLflow is sent to and how long it is waited for.

    Raises:
        ValueError: The folder holds a journal already, or the store cannot be used.
        ConnectionError: ``settings.on_unreachable`` is ``fail`` and nothing answers.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrackingSettings,
        *,
        run_name: str,
        tags: Mapping[str, str],
        pace: Pace | None = None,
    ) -> None:
        folder = Path(folder)
        if (folder / JOURNAL_NAME).exists():
            raise ValueError(
                f"Expected a folder without a journal in argument `folder`, but got {folder}. "
                f"Try: supcon resume {folder}"
            )
        pace = pace or Pace()
        uri = _reachable(settings, pace)
        if uri is not None and (database := sqlite_path(uri)) is not None:
            sqlite_store.check(database)
        folder.mkdir(parents=True, exist_ok=True)
        state = MirrorState(run_name=run_name, settings=settings, uri=uri)
        state.save(folder)
        self._start(folder, state, pace)
        self.tags(tags)

    @classmethod
    def resume(cls, folder: Path, offset: int, *, pace: Pace | None = None) -> Tracker:
        """Go on with a run from a checkpoint; MLflow goes on with the same run.

        What the journal says after the checkpoint is dropped, as it will be written again. Points
        that MLflow has already of that are not sent twice: its first value of a metric at a step
        stays.

        Args:
            folder: The run folder.
            offset: What :meth:`checkpoint_offset` gave.
            pace: How often MLflow is sent to and how long it is waited for.

        Raises:
            ValueError: The folder is no run folder or the offset is not one of its journal's.
            ConnectionError: As above.
        """
        folder = Path(folder)
        state = MirrorState.load(folder)
        pace = pace or Pace()
        if state.uri is not None:
            _reachable(
                TrackingSettings(state.uri, on_unreachable=state.settings.on_unreachable), pace
            )
        journal = Journal(folder / JOURNAL_NAME)
        dropped = journal.truncate(offset)
        if dropped:
            logger.info("dropped %d lines of the journal after the checkpoint", dropped)
        state.rewind(journal.lines)
        state.save(folder)
        journal.close()
        tracker = cls.__new__(cls)
        tracker._start(folder, state, pace)
        return tracker

    def _start(self, folder: Path, state: MirrorState, pace: Pace) -> None:
        self.folder = folder
        self.uri = state.uri
        self._state = state
        self._pace = pace
        self._journal = Journal(folder / JOURNAL_NAME)
        self._params = {
            event.key: event.value
            for event in self._journal.read()
            if isinstance(event, events.Param)
        }
        self._woken_at = self._journal.lines
        self._write(events.StatusChange("RUNNING", _now()))
        self._mirror = MirrorThread(folder, state, state.uri, pace) if state.uri else None

    @property
    def run_id(self) -> str | None:
        """The id of the MLflow run; ``None`` as long as MLflow has not made it."""
        return self._mirror.run_id if self._mirror else None

    def wait_run_id(self, seconds: float) -> str | None:
        """Wait for MLflow to make the run, at most this long; its id, or ``None``."""
        return self._mirror.wait_run_id(seconds) if self._mirror else None

    def params(self, values: Mapping[str, object]) -> None:
        """Settings of the run, each set once; the same value again is fine.

        A key that MLflow would refuse is there as
        :func:`~supcon_ext.tracking.names.mlflow_key` gives it, a value that is too long is cut
        there and its full text is an artifact.

        Raises:
            ValueError: A setting has another value already.
        """
        fresh: dict[str, str] = {}
        for key, value in values.items():
            text = str(value)
            known = self._params.get(key)
            if known is None:
                fresh[key] = text
            elif known != text:
                raise ValueError(
                    f"Expected the param `{key}` to stay {known!r}, but got {text!r}. "
                    "Try: a tag, or a new run"
                )
        self._params.update(fresh)
        self._write(*(events.Param(key, value, _now()) for key, value in fresh.items()))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Numbers at a step of the run.

        Args:
            values: By name, e.g. ``train/loss``; those that measure time begin with ``time/``.
            step: The optimiser step, counted over all stages.
        """
        now = _now()
        self._write(*(events.Metric(key, float(value), step, now) for key, value in values.items()))

    def tags(self, values: Mapping[str, str]) -> None:
        """Labels of the run; a later one of the same key replaces it."""
        self._write(*(events.Tag(key, str(value), _now()) for key, value in values.items()))

    def artifact(self, path: Path, folder: str = "") -> None:
        """A file of the run folder to be kept with the run.

        Args:
            path: The file, absolute or within the run folder; it must stay there.
            folder: Where it goes among the run's artifacts.

        Raises:
            ValueError: There is no such file in the run folder.
        """
        self._write(events.Artifact(self._inside(path), folder, _now()))

    def dataset(
        self, name: str, digest: str, context: str, tags: Mapping[str, str] | None = None
    ) -> None:
        """What went into the run: a description, no images.

        Args:
            name: Of the data set.
            digest: Its fingerprint; MLflow shows the context and its beginning, and has the whole
                as a tag.
            context: What it serves for: ``train``, ``val``, ``test``.
            tags: Whatever tells it from others: noise, imbalance, size.
        """
        self._write(events.DatasetInput(name, digest, context, dict(tags or {}), _now()))

    def model(
        self,
        file: EncoderFile,
        name: str = "encoder",
        step: int = 0,
        tags: Mapping[str, str] | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        """An encoder, exported into the run folder, to be logged as an MLflow model.

        Args:
            file: What :func:`~supcon_ext.tracking.encoder_file.export_encoder` gave.
            name: Of the model.
            step: The optimiser step that it is of.
            tags: Labels of the model.
            files: What predicts classes of pictures, see :mod:`supcon_ext.use.served`; without any,
                MLflow serves the encoder alone.

        Raises:
            ValueError: A file is not in the run folder.
        """
        self._write(
            events.SavedEncoder(
                path=self._inside(file.path),
                name=name,
                input_shape=file.input_shape,
                output_shape=file.output_shape,
                torch_version=file.torch_version,
                step=step,
                time=_now(),
                dtype=file.dtype,
                tags=dict(tags or {}),
                files=tuple(map(self._inside, files)),
            )
        )

    def checkpoint_offset(self) -> int:
        """Force the journal to the disk; its size, for :meth:`resume`."""
        return self._journal.offset()

    def journal_so_far(self) -> bytes:
        """The journal's lines, for a checkpoint, which can make the file again."""
        with self._journal.path.open("rb") as file:
            return file.read(self.checkpoint_offset())

    def identity(self) -> dict[str, Any]:
        """What tells this run from others, as plain values, to make ``mirror.json`` again from."""
        return self._state.identity()

    def last_words(self) -> None:
        """Say that the process is being ended, and give MLflow a moment to hear of it."""
        self._write(events.StatusChange("KILLED", _now()))
        self.checkpoint_offset()
        if self._mirror is not None:
            self._mirror.wake()
            time.sleep(LAST_SECONDS)

    def close(self, status: Status) -> int:
        """End the run and give MLflow a last, bounded chance to take the rest.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.

        Returns:
            How many lines of the journal MLflow lacks; a warning names the command that sends them.
        """
        if status not in STATUSES or status == "RUNNING":
            raise ValueError(
                f"Expected FINISHED, FAILED or KILLED of argument `status`, but got {status!r}. "
                "Try: FINISHED"
            )
        self._write(events.StatusChange(status, _now()))
        self._journal.close()
        if self._mirror is None or self.uri is None:
            return 0
        done = self._mirror.close()
        unsent = 0 if done else self._journal.lines - self._state.store(self.uri).lines
        if self._mirror.refused:
            logger.warning("MLflow did not take %d values or files", self._mirror.refused)
        if unsent:
            logger.warning(
                "%d lines of the journal did not reach MLflow. Try: supcon sync %s",
                unsent,
                self.folder,
            )
        return unsent

    def _inside(self, path: Path) -> str:
        root = self.folder.resolve()
        full = (root / path).resolve() if (root / path).exists() else Path(path).resolve()
        if not full.is_file() or not full.is_relative_to(root):
            raise ValueError(
                f"Expected a file in the run folder {self.folder} of argument `path`, but got "
                f"{path}. "
                "Try: write the file there first"
            )
        return full.relative_to(root).as_posix()

    def _write(self, *happened: Event) -> None:
        lines = self._journal.append(happened)
        if lines - self._woken_at >= self._pace.batch:
            self._woken_at = lines
            if self._mirror is not None:
                self._mirror.wake()


def _now() -> int:
    return time.time_ns() // 1_000_000


def _reachable(settings: TrackingSettings, pace: Pace) -> str | None:
    """The resolved URI; an error where the run shall not start without its server."""
    uri = resolve_uri(settings.uri)
    if (
        uri is not None
        and settings.on_unreachable == "fail"
        and is_http(uri)
        and not answers(uri, pace.preflight)
    ):
        raise ConnectionError(
            f"Expected MLflow at {without_login(uri)}, but nothing answered in {pace.preflight:g} "
            f"s. "
            "Try: start the server, or tracking.on_unreachable=warn"
        )
    return uri

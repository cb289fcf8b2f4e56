"""The processes of a run, from the first to the last: prepared, begun or gone on with, closed."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from data_tools.bad_image import BadImageError
from data_tools.datasets.base import Splits
from data_tools.source_check import LeftOut
from data_tools.whole_file import remove_drafts, write_whole
from supcon_ext.experiment.build import left_out_of
from supcon_ext.experiment.cannot_start import starting
from supcon_ext.experiment.closing import close_run
from supcon_ext.experiment.encoder import change_of_weights
from supcon_ext.experiment.fingerprint import Fingerprint, Record
from supcon_ext.experiment.folder import RECIPE, new_folder, write_traceback
from supcon_ext.experiment.kept_statistics import keep_statistics
from supcon_ext.experiment.kept_warnings import keep_warnings
from supcon_ext.experiment.launch import determinism, from_first, launch
from supcon_ext.experiment.lock import lock
from supcon_ext.experiment.manifest import unfinished
from supcon_ext.experiment.mending import journal_for, mend, mend_identity
from supcon_ext.experiment.outlook import further_lines, planned_work, what_makes_it_shorter
from supcon_ext.experiment.preparation import Prepared, local_processes, prepare
from supcon_ext.experiment.report import measure, record_end, record_start
from supcon_ext.experiment.selection_watch import SelectionWatch
from supcon_ext.experiment.standing import CHECKPOINTS, Standing, read_standing
from supcon_ext.interrupt import Interrupted, StopRequest, stop_requests
from supcon_ext.policies.statistics import ChannelStatistics
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.progress.silence import Silence
from supcon_ext.recipe.resolved import recipe_hash, to_yaml
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking import AnyTracker, NullTracker, Tracker, TrackingSettings
from supcon_ext.tracking.results import RESULTS_NAME, read_results
from supcon_ext.training.checkpoint import load_checkpoint

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: Where everything of it is.
        results: What ``results.json`` holds.
        tracking_uri: Where MLflow has it, or None.
        run_id: Its id there, or None while MLflow has not answered.
    """

    folder: Path
    results: Mapping[str, Any]
    tracking_uri: str | None
    run_id: str | None


@contextmanager
def session(recipe: Recipe, given: Splits | None = None) -> Iterator[Session]:
    """The session of a recipe; what stops it is told with where it was and how to go on.

    Args:
        recipe: What to run.
        given: The data set where Python handed it over.
    """
    made: Session | None = None
    try:
        with stop_requests() as stop:
            fabric = launch(recipe)
            first = fabric.global_rank == 0
            with (
                ConsoleProgress() if first else Silence() as progress,
                determinism(recipe.compute.deterministic, recipe.seed, fabric.global_rank),
            ):
                made = Session(recipe, fabric, progress, stop, given)
                yield made
    except KeyboardInterrupt as error:
        doing = "starting" if made is None else made.doing
        name = signal.Signals(getattr(error, "number", signal.SIGINT)).name
        text = str(error)
        text = f"{text or name} while {doing}" if text in ("", name) else text
        advice = "nothing was written" if made is None else made.advice
        raise Interrupted(f"{text}; {advice}", signal.Signals[name]) from None


def _left_out(folder: Path) -> LeftOut | None:
    """Images that the run left out; None where its labels are damaged: they are looked for anew."""
    try:
        return left_out_of(folder)
    except (ValueError, OSError, KeyError):
        return None


class Session:
    """The processes of a run, from the first to the last."""

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric,
        progress: Any,
        stop: StopRequest,
        given: Splits | None = None,
    ) -> None:
        self.recipe = recipe
        self.given = given
        self.fabric = fabric
        self.progress = progress
        self.stop = stop
        self.first = fabric.global_rank == 0
        self.doing = "starting"
        self.advice = "nothing was written"
        self.folder = Path()
        self.tracker: AnyTracker = NullTracker()
        self.record: Record | None = None
        self.watch: SelectionWatch | None = None
        self.statistics: ChannelStatistics | None = None

    def prepare(
        self,
        left_out: LeftOut | None = None,
        statistics: ChannelStatistics | None = None,
        fresh: bool = True,
    ) -> Prepared:
        """Make everything that the recipe names."""
        return prepare(
            self.recipe, self.fabric, self.progress, left_out, statistics, fresh, self.given
        )

    def begin(
        self,
        folder: Path | None,
        tags: Mapping[str, str],
        parent_run_id: str | None,
        beside: Mapping[str, str],
    ) -> RunResult:
        """Start a run."""
        made = self.prepare()
        with ExitStack() as stack, self.stop.held():  # until there is somebody who closes the run

            def new() -> Path:
                with starting():
                    return self._new(made, folder, tags, parent_run_id, beside, stack)

            self.folder = from_first(self.fabric, new)
            return self._to_the_end(made, None)

    def _new(
        self,
        made: Prepared,
        wanted: Path | None,
        tags: Mapping[str, str],
        parent_run_id: str | None,
        beside: Mapping[str, str],
        stack: ExitStack,
    ) -> Path:
        recipe, section = self.recipe, self.recipe.tracking
        there = wanted is not None and wanted.exists()
        if wanted is None:
            folder = new_folder(Path(section.folder), recipe.name, recipe_hash(recipe), recipe.seed)
        else:
            folder = wanted
            folder.mkdir(parents=True, exist_ok=True)
        try:
            stack.enter_context(lock(folder))
            settings = TrackingSettings(
                section.uri, section.experiment, section.on_unreachable, parent_run_id
            )
            for name, text in {**beside, RECIPE: to_yaml(recipe)}.items():
                write_whole(folder / name, text)
            tracker = Tracker(folder, settings, run_name=folder.name, tags={})
            self.tracker = tracker
            self._note(folder, Record(tracker.identity(), dict(tags), self._fingerprint(made)))
            made.keep_data(folder)
        except (ValueError, OSError, ImportError):
            if not there:
                stack.close()
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self._watch(made, folder)
        return folder

    def go_on(self, folder: Path, accept: Sequence[str], from_start: bool) -> RunResult:
        """Go on with a run."""
        self.folder = folder
        standing = Standing()

        def look() -> tuple[bool, Path | None, int | None, LeftOut | None, Any]:
            nonlocal standing
            stack.enter_context(lock(folder))
            remove_drafts(folder)
            why = "it is to begin again" if from_start else unfinished(folder, self.recipe)
            if why is not None and (folder / RESULTS_NAME).is_file():
                self.progress.note(f"{folder}: {why}: measuring again")
            standing = read_standing(folder, from_start, finished=why is None)
            threads = None if standing.record is None else standing.record.fingerprint.threads
            kept = None if standing.state is None else standing.state["statistics"]
            return why is None, standing.path, threads, _left_out(folder), kept

        with ExitStack() as stack:
            finished, path, threads, left_out, statistics = from_first(self.fabric, look)
            if finished:
                if self.first:
                    close_run(folder, mend_identity(folder, self.recipe, standing))
                    self._tell(standing)
                return RunResult(folder, read_results(folder), None, None)
            if threads is not None:
                torch.set_num_threads(threads)
            made = self.prepare(left_out, statistics, fresh=path is None)

            def take_up() -> None:
                with starting():
                    self._take_up(made, standing, accept)

            with self.stop.held():
                from_first(self.fabric, take_up)
                saved = standing.state
                if saved is None and path is not None:
                    saved = load_checkpoint(path)
                return self._to_the_end(made, saved)

    def _take_up(self, made: Prepared, standing: Standing, accept: Sequence[str]) -> None:
        folder, record = self.folder, standing.record
        now = self._fingerprint(made)
        if record is not None and standing.state is not None:
            change = change_of_weights(self.recipe.model, record.fingerprint.weights)
            standing.notes.extend([] if change is None else [change])
            now = dataclasses.replace(now, weights=record.fingerprint.weights)
        if record is not None:
            now = record.fingerprint.accept(now, accept, folder)
            record = dataclasses.replace(record, fingerprint=now)
        watch = self._watch(made, folder)
        offset = mend(folder, self.recipe, standing, made, watch)
        tracker = Tracker.resume(folder, offset)
        self.tracker = tracker
        self._note(folder, record or Record(tracker.identity(), {}, now))
        self._tell(standing)
        if now.accepted:
            tracker.tags({"accepted": "; ".join(now.accepted)})

    def _tell(self, standing: Standing) -> None:
        for note in standing.notes:
            self.progress.note(note)

    def _fingerprint(self, made: Prepared) -> Fingerprint:
        fabric, first = self.fabric, made.trainer.network.backbone.first_weights
        return Fingerprint.take(
            self.recipe,
            made.data.fingerprint,
            fabric.device.type,
            fabric.world_size,
            torch.get_num_threads(),
            {"mean": made.context.mean, "std": made.context.std},
            "" if first is None else first.sha256,
        )

    def _note(self, folder: Path, record: Record) -> None:
        record.write(folder)
        self.record = record

    def _watch(self, made: Prepared, folder: Path) -> SelectionWatch:
        truth = made.data.truth
        self.watch = SelectionWatch(
            folder,
            made.data.train.label,
            None if truth is None else truth.train,
            made.data.train.classes,
            made.measurer.groups,
            self.recipe.seed,
            self.recipe.checkpoint.every,
        )
        return self.watch

    @property
    def _resume(self) -> str:
        """What goes on with the run: a command, unless Python alone has its data."""
        if self.given is None:
            return f"supcon resume {self.folder}"
        return f"supcon_ext.resume({str(self.folder)!r}, data=...) in Python"

    def _to_the_end(self, made: Prepared, saved: dict[str, Any] | None) -> RunResult:
        self.advice = f"to go on: {self._resume}"
        before = self.stop.advice
        self.stop.advice = f": what came after the last checkpoint is lost; {self.advice}"
        self.stop.last_words.append(self.tracker.last_words)
        status: Any = "FAILED"
        try:
            with self.stop.at_once():
                results = self._work(made, saved)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        except Exception as error:
            self._tell_of(error)
            raise
        finally:
            if self.first:
                keep_warnings(self.folder, self.progress.warnings)
            self._close(status)
            self.stop.last_words.remove(self.tracker.last_words)
            self.stop.advice = before
        return RunResult(self.folder, results, self.tracker.uri, self.tracker.run_id)

    def _tell_of(self, error: Exception) -> None:
        """Add to an error what its user can do."""
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            error.add_note(f"Try: make room, then {self._resume}")
        if isinstance(error, BadImageError):
            error.add_note(f"To go on once the file is mended: {self._resume}")
        place = write_traceback(self.folder) if self.first else None
        if place is not None:
            error.add_note(f"The traceback is in {place}")

    def _close(self, status: Any) -> None:
        if status == "FINISHED":
            self.doing = "MLflow was sent the rest"
            self.advice = f"the run is finished; to send it: supcon sync {self.folder}"
        try:
            with nullcontext() if self.stop.requested else self.stop.at_once():
                self.tracker.close(status)
        except OSError:
            if status == "FINISHED":
                raise

    def _work(self, made: Prepared, saved: dict[str, Any] | None) -> dict[str, Any]:
        trainer, recipe, folder, tracker = made.trainer, self.recipe, self.folder, self.tracker
        trainer.record_to(folder / CHECKPOINTS, tracker)
        told = {
            "folder": str(folder),
            "tracking": tracker.uri or "journal only",
            **made.pages(folder),
            **further_lines(recipe, local_processes(recipe, self.fabric)),
        }
        if self.first:  # nobody watches the others
            self.progress.plan(planned_work(made), what_makes_it_shorter(recipe))
        title = f"{recipe.name} (seed {recipe.seed})"
        self.progress.start_run(title, {**made.describe(recipe), **told})
        if self.record is not None and self.watch is not None:  # in the first process
            trainer.observe = self.watch
            mean, std = made.context.mean, made.context.std
            self.statistics = tuple(map(float, mean)), tuple(map(float, std))
            keep_statistics(folder, made.context)
            trainer.beside = self._beside
            if saved is None:
                record_start(folder, recipe, made, self.record, tracker)
        self.doing = "training"
        trainer.fit(saved)
        self.doing = "measuring"
        started = time.perf_counter()
        measured = measure(recipe, made)
        results = measured.results
        results["seconds"] = {
            "training": round(trainer.at.seconds, 2),
            "evaluation": round(time.perf_counter() - started, 2),
        }
        self.doing = "writing the results"
        if self.record is not None and self.watch is not None:
            if self.record.fingerprint.accepted:
                results["accepted"] = list(self.record.fingerprint.accepted)
            selected = self.watch.results()
            if selected is not None:
                results["selection"] = selected
            record_end(folder, recipe, made, tracker, measured, self.watch)
        self.fabric.barrier()
        return results

    def _beside(self) -> dict[str, Any]:
        """What a checkpoint holds so that the run folder's other files can be made again."""
        if self.record is None or self.watch is None:
            return {}
        return {
            "run": self.record.to_json(),
            "journal": journal_for(self.tracker.journal_so_far()),
            "selection": self.watch.state(),
            "statistics": self.statistics,
        }

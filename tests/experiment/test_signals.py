"""A run that is asked to stop: at every moment, by every signal, with and without workers."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from supcon_ext.tracking.journal import read
from supcon_ext.tracking.results import read_results, same_metrics
from supcon_ext.training.checkpoint import load_checkpoint
from tests.experiment.lean import RECIPE, finished, folder_of, supcon, without_drawing
from tests.fresh import Fresh, start

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("whole"))


def status_of(folder: Path) -> str:
    return str(getattr(list(read(folder / "journal.jsonl"))[-1], "status", None))


def told(stopped: Fresh, folder: Path) -> str:
    """The one line that says that it stopped, and how to go on."""
    (line,) = [line for line in stopped.stderr.splitlines() if line.startswith("Stopped")]
    assert f"supcon resume {folder.relative_to(folder.parent.parent)}" in line
    assert "Traceback" not in stopped.stderr and "Stopped: ;" not in line
    assert not (folder / "error.txt").exists()
    assert not list(folder.rglob(".*draft*"))
    return line


def goes_on(folder: Path, whole: Path) -> None:
    done = supcon("resume", str(folder), cwd=folder.parent.parent)
    assert done.wait() == 0, done.stderr
    assert same_metrics(folder, whole) == []
    assert {**read_results(folder), "seconds": 0} == {**read_results(whole), "seconds": 0}


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(each, id=each.name, marks=[] if each.name == "SIGTERM" else pytest.mark.long)
        for each in map(signal.Signals, STATUS)
    ],
)
def test_in_a_step_it_saves_after_it(number: int, whole: Path, tmp_path: Path) -> None:
    stopped = supcon("run", "lean.yaml", cwd=tmp_path, at=("step", 3, number))
    assert stopped.wait() == STATUS[signal.Signals(number)], stopped.stderr
    folder = folder_of(tmp_path)
    name = signal.Signals(number).name
    assert told(stopped, folder).startswith(f"Stopped: {name}; saved at step 3; to go on: ")
    assert status_of(folder) == "KILLED"
    saved = load_checkpoint(folder / "checkpoints" / "last.pt")
    assert saved["position"]["global_step"] == 3
    goes_on(folder, whole)


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (1, 2),
        pytest.param(2, 2, marks=pytest.mark.long),
        pytest.param(3, 4, marks=pytest.mark.long),
        pytest.param(6, 6, marks=pytest.mark.long),
        pytest.param(7, 8, marks=pytest.mark.long),
        pytest.param(8, 8, marks=pytest.mark.long),
    ],
)
def test_in_a_pass_over_a_split_nothing_is_lost(
    number: int, step: int, whole: Path, tmp_path: Path
) -> None:
    """Validation, the bank, the next validation, the end's measures."""
    stopped = supcon("run", "lean.yaml", cwd=tmp_path, at=("embed", number, signal.SIGTERM))
    assert stopped.wait() == 143, stopped.stderr
    folder = folder_of(tmp_path)
    told(stopped, folder)
    assert status_of(folder) == "KILLED"
    saved = load_checkpoint(folder / "checkpoints" / "last.pt")
    assert saved["position"]["global_step"] == step
    goes_on(folder, whole)


def test_while_it_starts_nothing_is_written(tmp_path: Path) -> None:
    stopped = start(_stopped_while_reading, cwd=tmp_path)
    assert stopped.wait() == 143, stopped.stderr
    assert "Stopped: SIGTERM while starting; nothing was written" in stopped.stderr
    assert not (tmp_path / "runs").exists()


def _stopped_while_reading() -> None:
    from supcon_ext.cli import main
    from supcon_ext.experiment import preparation

    build = preparation.read_data

    def building(*args: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return build(*args, **named)

    preparation.read_data = building  # type: ignore[assignment]
    Path("lean.yaml").write_text(RECIPE)
    main(["run", "lean.yaml"], prog_name="supcon")


def test_once_it_has_a_folder_it_is_killed_and_goes_on(whole: Path, tmp_path: Path) -> None:
    stopped = start(_stopped_when_begun, "run", "lean.yaml", cwd=tmp_path)
    assert stopped.wait() == 143, stopped.stderr
    folder = folder_of(tmp_path)
    told(stopped, folder)
    assert status_of(folder) == "KILLED"
    again = start(_stopped_when_begun, "resume", f"runs/{folder.name}", cwd=tmp_path)
    assert again.wait() == 143, again.stderr
    told(again, folder)
    assert status_of(folder) == "KILLED"
    goes_on(folder, whole)


def _stopped_when_begun(*command: str) -> None:
    from supcon_ext.cli import main
    from supcon_ext.experiment import session

    from_first = session.from_first

    def asked(fabric: Any, make: Any) -> Any:
        made = from_first(fabric, make)
        if make.__name__ in ("new", "take_up"):
            os.kill(os.getpid(), signal.SIGTERM)
        return made

    session.from_first = asked  # type: ignore[assignment]
    Path("lean.yaml").write_text(RECIPE)
    main(list(command), prog_name="supcon")


def test_while_mlflow_is_waited_for_the_run_is_finished(tmp_path: Path) -> None:
    stopped = start(_stopped_while_closing, cwd=tmp_path)
    assert stopped.wait() == 143, stopped.stderr
    folder = folder_of(tmp_path)
    assert "the run is finished; to send it: supcon sync runs/" in stopped.stderr
    assert (folder / "results.json").exists() and status_of(folder) == "FINISHED"


def _stopped_while_closing() -> None:
    from supcon_ext.cli import main
    from supcon_ext.tracking.mirror_thread import MirrorThread

    def closing(self: Any, *args: Any) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        return True

    MirrorThread.close = closing  # type: ignore[method-assign]
    without_drawing()
    Path("lean.yaml").write_text(RECIPE.replace("uri: none", "uri: 'sqlite:///m.db'"))
    main(["run", "lean.yaml"], prog_name="supcon")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_signal_to_the_group_leaves_the_workers_to_the_run(
    number: int, whole: Path, tmp_path: Path
) -> None:
    running = start(_slow_steps, cwd=tmp_path)
    running.wait_for(lambda: "STEP" in running.stdout)
    running.send(number, group=True)
    assert running.wait() == STATUS[signal.Signals(number)], running.stderr
    folder = folder_of(tmp_path)
    assert "saved at step" in told(running, folder)
    assert status_of(folder) == "KILLED"
    goes_on(folder, whole)


def _slow_steps() -> None:
    import multiprocessing

    from supcon_ext.cli import main
    from supcon_ext.training.loop import Trainer

    multiprocessing.set_start_method("fork", force=True)  # as a shell's process has it
    step = Trainer._step

    def stepping(self: Trainer, *args: Any) -> Any:
        print("STEP", flush=True)
        time.sleep(0.3)
        return step(self, *args)

    Trainer._step = stepping  # type: ignore[method-assign]
    without_drawing()
    Path("lean.yaml").write_text(RECIPE)
    main(["run", "lean.yaml", "compute.workers=2"], prog_name="supcon")


def test_workers_end_with_a_killed_run_and_its_lock_too(whole: Path, tmp_path: Path) -> None:
    running = start(_slow_steps, cwd=tmp_path)
    running.wait_for(lambda: "STEP" in running.stdout)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    assert len(children) >= 2
    running.send(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    goes_on(folder_of(tmp_path), whole)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def _one_long_call(seconds: float) -> None:
    """A step that is one call which Python cannot break off."""
    import ctypes

    from supcon_ext.cli import main
    from supcon_ext.training.loop import Trainer

    step = Trainer._step
    done = 0

    def stepping(self: Trainer, *args: Any) -> Any:
        nonlocal done
        done += 1
        if done == 3:
            print("LONG", flush=True)
            end = time.monotonic() + seconds
            while time.monotonic() < end:  # usleep goes on after a signal, as a kernel does
                ctypes.CDLL(None).usleep(int(1e6 * max(0.0, end - time.monotonic())))
        return step(self, *args)

    signal.siginterrupt(signal.SIGINT, False)
    Trainer._step = stepping  # type: ignore[method-assign]
    without_drawing()
    Path("lean.yaml").write_text(RECIPE)
    main(["run", "lean.yaml"], prog_name="supcon")


@pytest.mark.parametrize("times", [1, 2])
def test_a_long_call_is_ended_in_seconds_and_at_once_by_a_second_signal(
    times: int, whole: Path, tmp_path: Path
) -> None:
    running = start(_one_long_call, 120.0, cwd=tmp_path)
    running.wait_for(lambda: "LONG" in running.stdout)
    asked = time.monotonic()
    running.send(signal.SIGINT)
    if times == 2:
        time.sleep(0.2)
        running.send(signal.SIGINT)
    assert running.wait(100) == 130, running.stderr
    assert time.monotonic() - asked < 60  # of 120; about 4 on a quiet machine
    folder = folder_of(tmp_path)
    line = told(running, folder)
    why = "SIGINT, twice" if times == 2 else "SIGINT, and the work under way took longer than 4 s"
    assert line.startswith(f"Stopped: {why}: what came after the last checkpoint is lost; to go on")
    assert status_of(folder) == "KILLED"
    goes_on(folder, whole)


@pytest.mark.timeout(700)  # its processes import everything anew, on a busy machine for minutes
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_a_sweep_passes_it_on(jobs: str, tmp_path: Path) -> None:
    (tmp_path / "lean.yaml").write_text(re.sub("epochs: 3", "epochs: 200", RECIPE))
    (tmp_path / "s.yaml").write_text("name: s\nrecipe: lean.yaml\ngrid: {seed: [0, 1]}\n")
    sweep = supcon("sweep", "s.yaml", "--jobs", jobs, cwd=tmp_path)
    sweep.wait_for(lambda: bool(list(tmp_path.glob("runs/s-*/*/checkpoints/last.pt"))), 400)
    sweep.send(signal.SIGHUP)
    assert sweep.wait() == 129, sweep.stderr
    assert "Stopped: SIGHUP: sweep stopped; give the same command again" in sweep.stderr
    (folder,) = tmp_path.glob("runs/s-*")
    begun = [place.parent for place in folder.glob("*/recipe.yaml")]
    assert begun and all(status_of(run) == "KILLED" for run in [folder, *begun])


BORN_LATE = """\
import sys, time
from pathlib import Path

if "spawn_main" in " ".join(sys.orig_argv):
    try:
        Path("first").touch(exist_ok=False)
    except FileExistsError:
        while not Path("asked").exists():
            time.sleep(0.01)
        time.sleep(1.0)
        Path("born").touch()
"""
SLOW = """\
import time
from supcon_ext import PositiveSelector, selector

@selector("slow")
class Slow(PositiveSelector):
    def targets(self, pairs):
        time.sleep(0.5)
        return pairs.same("label")
"""


@pytest.mark.long
@pytest.mark.timeout(700)
def test_a_sweep_stopped_while_a_process_of_it_starts(tmp_path: Path) -> None:
    """A process that is too young to hear of it does not take the others with it."""
    (tmp_path / "sitecustomize.py").write_text(BORN_LATE)
    (tmp_path / "slow_selector.py").write_text(SLOW)
    slow = RECIPE.replace("epochs: 3", "epochs: 200").replace("selector: gmm", "selector: slow")
    (tmp_path / "lean.yaml").write_text(f"plugins: [slow_selector]\n{slow}")
    (tmp_path / "s.yaml").write_text("name: s\nrecipe: lean.yaml\ngrid: {seed: [0, 1]}\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    sweep = start(_sweep_side_by_side, cwd=tmp_path, env={"PYTHONPATH": path})
    sweep.wait_for(lambda: bool(list(tmp_path.glob("runs/s-*/*/checkpoints/last.pt"))), 400)
    sweep.send(signal.SIGTERM)
    (tmp_path / "asked").touch()
    assert sweep.wait() == 143, sweep.stderr
    assert "Stopped: SIGTERM: sweep stopped; give the same command again" in sweep.stderr
    assert (tmp_path / "born").exists() and "twice" not in sweep.stderr
    (folder,) = tmp_path.glob("runs/s-*")
    (begun,) = (place.parent for place in folder.glob("*/recipe.yaml"))
    assert status_of(folder) == status_of(begun) == "KILLED"


def _sweep_side_by_side() -> None:
    import sys

    from supcon_ext.cli import main

    sys.path.insert(0, str(Path.cwd()))
    without_drawing()
    main(["sweep", "s.yaml", "--jobs", "2"], prog_name="supcon")

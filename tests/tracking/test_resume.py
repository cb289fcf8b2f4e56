import os
import signal
import subprocess
import sys
import time

import pytest

from supcon_ext.tracking import Tracker, TrackingSettings, read_metrics, same_metrics, sync
from supcon_ext.tracking.mirror_state import MirrorState
from tests.tracking.conftest import QUICK

SETTINGS = {"run_name": "run", "tags": {"recipe": "quick"}, "pace": QUICK}


def train(tracker, first, last):
    for step in range(first, last):
        tracker.metrics({"train/loss": 1 / step, "time/step": time.monotonic()}, step)


def history(client, run_id, key="train/loss"):
    return [(point.step, point.value) for point in client.get_metric_history(run_id, key)]


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_was_sent_after_the_checkpoint_is_not_sent_twice(tmp_path, store, client):
    whole = Tracker(tmp_path / "whole", TrackingSettings("none"), **SETTINGS)
    train(whole, 1, 30)
    whole.close("FINISHED")

    folder = tmp_path / "run"
    tracker = Tracker(folder, TrackingSettings(store), **SETTINGS)
    train(tracker, 1, 10)
    offset = tracker.checkpoint_offset()
    train(tracker, 10, 20)
    tracker.close("KILLED")  # steps 10 to 19 and the status are beyond the checkpoint, and sent
    assert client(store).get_run(tracker.run_id).info.status == "KILLED"

    again = Tracker.resume(folder, offset, pace=QUICK)
    train(again, 10, 20)
    wait_for(lambda: client(store).get_run(tracker.run_id).info.status == "RUNNING")
    train(again, 20, 30)
    assert again.close("FINISHED") == 0
    assert again.run_id == tracker.run_id
    expected = [(step, 1 / step) for step in range(1, 30)]
    assert history(client(store), again.run_id) == expected
    assert len(history(client(store), again.run_id, "time/step")) == 29
    assert client(store).get_run(again.run_id).info.status == "FINISHED"
    assert same_metrics(folder, tmp_path / "whole") == []
    assert sync(folder).sent == 0


def test_params_are_known_after_a_resume(tmp_path):
    tracker = Tracker(tmp_path / "run", TrackingSettings("none"), **SETTINGS)
    tracker.params({"epochs": 10})
    offset = tracker.checkpoint_offset()
    tracker.params({"late": 1})
    tracker.close("KILLED")
    again = Tracker.resume(tmp_path / "run", offset, pace=QUICK)
    again.params({"epochs": 10, "late": 2})
    with pytest.raises(ValueError, match="param `epochs`"):
        again.params({"epochs": 20})
    again.close("FINISHED")


def test_resume_wants_a_run_folder(tmp_path):
    with pytest.raises(ValueError, match="argument `folder`"):
        Tracker.resume(tmp_path, 0)


def test_resume_after_kill_9_with_a_torn_line(tmp_path, store, client):
    folder = tmp_path / "run"
    script = (
        "import sys, pathlib, time\n"
        "from tests.tracking.test_resume import SETTINGS, train\n"
        "from supcon_ext.tracking import Tracker, TrackingSettings\n"
        "tracker = Tracker(pathlib.Path(sys.argv[1]), TrackingSettings(sys.argv[2]), **SETTINGS)\n"
        "train(tracker, 1, 10)\n"
        "print(tracker.checkpoint_offset(), flush=True)\n"
        "train(tracker, 10, 20)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), store], stdout=subprocess.PIPE, text=True
    )
    try:
        offset = int(process.stdout.readline())
        # Everything up to step 19 (21 lines of metrics before the checkpoint) has reached MLflow.
        wait_for(lambda: MirrorState.load(folder).store(store).lines == 2 + 2 * 19)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"event":"metric","key":"train/lo')
    run_id = MirrorState.load(folder).store(store).run_id
    assert client(store).get_run(run_id).info.status == "RUNNING"

    again = Tracker.resume(folder, offset, pace=QUICK)
    train(again, 10, 25)
    assert again.close("FINISHED") == 0
    assert again.run_id == run_id
    expected = [(step, 1 / step) for step in range(1, 25)]
    assert history(client(store), run_id) == expected
    assert read_metrics(folder)["train/loss"] == expected


def test_resume_from_before_the_first_flush(tmp_path, store, client):
    folder = tmp_path / "run"
    tracker = Tracker(folder, TrackingSettings("none"), **SETTINGS)
    offset = tracker.checkpoint_offset()
    train(tracker, 1, 5)
    tracker.close("KILLED")
    again = Tracker.resume(folder, offset, pace=QUICK)
    train(again, 1, 5)
    again.close("FINISHED")
    result = sync(folder, store)
    assert history(client(store), result.run_id) == [(step, 1 / step) for step in range(1, 5)]

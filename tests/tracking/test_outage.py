import dataclasses
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supcon_ext.tracking import Pace, Tracker, TrackingSettings, read_metrics, sync
from tests.tracking.conftest import QUICK

SETTINGS = {"run_name": "run", "tags": {"recipe": "quick"}, "pace": QUICK}


def report(tracker, steps):
    for step in steps:
        tracker.metrics({"train/loss": 1 / step}, step)


def history(client, run_id):
    return [(point.step, point.value) for point in client.get_metric_history(run_id, "train/loss")]


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.timeout(60)
def test_server_absent(tmp_path, free_port, store, client, caplog):
    folder = tmp_path / "run"
    tracker = Tracker(folder, TrackingSettings(f"http://127.0.0.1:{free_port}"), **SETTINGS)
    tracker.params({"seed": 0})
    report(tracker, range(1, 100))
    (folder / "results.json").write_text("{}")
    tracker.artifact(Path("results.json"))
    unsent = tracker.close("FINISHED")
    assert unsent == 2 + 1 + 99 + 1 + 1
    assert read_metrics(folder)["train/loss"] == [(step, 1 / step) for step in range(1, 100)]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2  # one when it was found out, one at the end
    assert warnings[0].startswith(f"Expected MLflow at http://127.0.0.1:{free_port}, but nothing")
    assert f"later: supcon sync {folder}" in warnings[0]
    assert warnings[1].startswith("104 lines of the journal did not reach MLflow")

    with pytest.raises(ConnectionError, match="nothing answered in 3 s"):
        sync(folder)
    result = sync(folder, store)
    assert result.sent == unsent
    assert history(client(store), result.run_id) == [(step, 1 / step) for step in range(1, 100)]
    run = client(store).get_run(result.run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"seed": "0"})
    assert [file.path for file in client(store).list_artifacts(result.run_id)] == ["results.json"]


@pytest.mark.timeout(60)
def test_server_silent(tmp_path, silent_server):
    """A server that accepts and says nothing holds up neither a report nor the end."""
    tracker = Tracker(
        tmp_path / "run",
        TrackingSettings(silent_server),
        **{**SETTINGS, "pace": dataclasses.replace(QUICK, preflight=0.5)},
    )
    report(tracker, range(1, 1000))
    assert tracker.close("FINISHED") == 2 + 999 + 1
    assert len(read_metrics(tmp_path / "run")["train/loss"]) == 999


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["absent", "silent"])
def test_a_run_that_must_not_start_without_its_server(tmp_path, free_port, silent_server, kind):
    uri = silent_server if kind == "silent" else f"http://127.0.0.1:{free_port}"
    settings = TrackingSettings(uri, on_unreachable="fail")
    with pytest.raises(ConnectionError, match=r"Expected MLflow at .* Try: "):
        Tracker(tmp_path / "run", settings, run_name="run", tags={}, pace=Pace(preflight=0.5))
    assert not (tmp_path / "run").exists()


HEALTHY_BUT_STUCK = """
import sys, threading, pathlib, socketserver, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/health":
            threading.Event().wait()
        self.send_response(200)
        self.end_headers()
    do_POST = do_PUT = do_GET
    def log_message(self, *args): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
from supcon_ext.tracking import Pace, Tracker, TrackingSettings
tracker = Tracker(pathlib.Path(sys.argv[1]), TrackingSettings(f"http://127.0.0.1:{server.server_port}"),
    run_name="run", tags={}, pace=Pace(interval=0.05, quiet=1.0))
tracker.metrics({"train/loss": 1.0}, 1)
print(tracker.close("FINISHED"), flush=True)
"""


def test_process_ends_although_a_request_hangs(tmp_path):
    """The health check passes, every other request hangs: the thread must not hold the process."""
    done = subprocess.run(
        [sys.executable, "-c", HEALTHY_BUT_STUCK, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert "supcon sync" in done.stderr


@pytest.mark.long
def test_server_killed_midway_comes_back(tmp_path, server, client, caplog):
    caplog.set_level(logging.INFO)
    server.start()
    folder = tmp_path / "run"
    tracker = Tracker(folder, TrackingSettings(server.uri, experiment="killed"), **SETTINGS)
    report(tracker, range(1, 50))
    run_id = tracker.wait_run_id(60)
    assert run_id is not None
    wait_for(lambda: len(history(client(server.uri), run_id)) == 49)

    server.kill()
    report(tracker, range(50, 100))
    wait_for(lambda: "later: supcon sync" in caplog.text)
    server.start()  # the mirror finds it by itself
    wait_for(lambda: len(history(client(server.uri), run_id)) == 99)
    wait_for(lambda: "MLflow answers again" in caplog.text)

    server.kill()
    report(tracker, range(100, 150))
    (folder / "note.txt").write_text("note")
    tracker.artifact(Path("note.txt"), "notes")
    assert tracker.close("FINISHED") > 0
    server.start()
    result = sync(folder)
    assert result.run_id == run_id
    assert result.sent >= 52
    assert sync(folder).sent == 0
    expected = [(step, 1 / step) for step in range(1, 150)]
    assert history(client(server.uri), run_id) == expected
    assert client(server.uri).get_run(run_id).info.status == "FINISHED"
    copy = client(server.uri).download_artifacts(run_id, "notes/note.txt", str(tmp_path))
    assert Path(copy).read_text() == "note"


@pytest.mark.long
def test_nothing_on_stdout_with_a_server(tmp_path, server):
    server.start()
    script = (
        "import sys, pathlib\n"
        "from supcon_ext.tracking import Tracker, TrackingSettings\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "tracker = Tracker(folder, TrackingSettings(sys.argv[2]), run_name='r', tags={})\n"
        "(folder / 'a.txt').write_text('a')\n"
        "tracker.artifact(pathlib.Path('a.txt'))\n"
        "tracker.metrics({'a': 1.0}, 1)\n"
        "sys.exit(tracker.close('FINISHED'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run"), server.uri],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

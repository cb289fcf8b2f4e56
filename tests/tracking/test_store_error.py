"""Whatever a store answers is told in one line, which names the store and the way out."""

import logging
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from supcon_ext.tracking import Pace, Tracker, TrackingSettings, sync
from supcon_ext.tracking.store_error import StoreError
from supcon_ext.tracking.store_uri import without_login
from tests.tracking.conftest import QUICK

PATIENT = Pace(preflight=10.0, quiet=20.0)
QUICKLY = Pace(preflight=10.0, quiet=0.5)


@contextmanager
def serving(answer):
    """A server on the loopback whose every request but /health is handed to `answer`."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/health":
                self.send_response(200)
                self.end_headers()
            else:
                answer(self, stop)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}"
    finally:
        stop.set()
        served.shutdown()
        served.server_close()
        thread.join()


def status(code, body=b"<h1>no</h1>"):
    def answer(request, stop):
        request.send_response(code)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def silent(request, stop):
    stop.wait()


def dripping(request, stop):
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    while not stop.wait(0.05):
        request.wfile.write(b" ")
        request.wfile.flush()


def broken(request, stop):
    request.connection.shutdown(socket.SHUT_RDWR)


RAW = ("HTTPConnectionPool", "sqlalchemy", "Traceback", "0x7f", "\n", "(Background on")
JSON = b'{"error_code": "INTERNAL_ERROR", "message": "a stack\\nof lines"}'
SERVERS = {
    "401": (status(401), PATIENT, "wants a login (401)"),
    "403": (status(403), PATIENT, "does not let this user"),
    "404": (status(404), PATIENT, "no MLflow at this address"),
    "429": (status(429), PATIENT, "takes no more requests"),
    "500": (status(500), PATIENT, "itself failed (500)"),
    "503": (status(503), PATIENT, "itself failed (503)"),
    "500 in JSON": (status(500, JSON), PATIENT, "itself failed (500)"),
    "418": (status(418), PATIENT, "the server refused (418)"),
    "another site": (status(200, b"<html>"), PATIENT, "is no MLflow server"),
    "broken off": (broken, PATIENT, "broke off"),
    "silent": (silent, QUICKLY, "took more than its time"),
    "dripping": (dripping, QUICKLY, "took more than its time"),
}


@pytest.fixture
def folder(tmp_path):
    tracker = Tracker(tmp_path / "run", TrackingSettings("none"), run_name="run", tags={})
    tracker.close("FINISHED")
    return tmp_path / "run"


def check(folder, uri, pace, words):
    with pytest.raises(StoreError) as caught:
        sync(folder, uri, pace=pace)
    said = str(caught.value)
    assert words in said and "Try: " in said and without_login(uri) in said
    assert not [raw for raw in RAW if raw in said]


@pytest.mark.parametrize("kind", SERVERS)
def test_servers(folder, kind):
    answer, pace, words = SERVERS[kind]
    with serving(answer) as uri:
        check(folder, uri, pace, words)
        check(folder, uri.replace("//", "//me:secret@"), pace, words)


def test_addresses(folder, free_port, monkeypatch):
    monkeypatch.setattr("supcon_ext.tracking.journal_copier.answers", lambda uri, seconds: True)
    check(folder, f"http://127.0.0.1:{free_port}", PATIENT, "nothing listens there")
    check(folder, "http://no-such-host.invalid", PATIENT, "no such host")
    with serving(status(200)) as uri:
        check(folder, uri.replace("http:", "https:"), PATIENT, "certificate or protocol")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def other_protocol():
            connection = listener.accept()[0]
            connection.recv(10)
            connection.sendall(b"220 mail.example.org ESMTP\r\n")
            connection.close()

        threading.Thread(target=other_protocol, daemon=True).start()
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        check(folder, uri, PATIENT, "no web server")


def test_a_database_that_another_process_holds(folder, store, capfd):
    import sqlalchemy

    @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "before_cursor_execute", retval=True)
    def impatient(connection, cursor, statement, *others):
        return statement.replace("busy_timeout = 20000", "busy_timeout = 0"), others[0]

    try:
        with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as holder:
            sync(folder, store)
            holder.execute("BEGIN EXCLUSIVE")
            check(folder, store, PATIENT, "another process holds it")
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", impatient)
    assert "Traceback" not in capfd.readouterr().err


def test_the_mirror_says_the_same_in_one_line(tmp_path, caplog):
    with serving(status(401)) as uri:
        tracker = Tracker(
            tmp_path / "run", TrackingSettings(uri), run_name="run", tags={}, pace=QUICK
        )
        assert tracker.wait_run_id(60) is None
        tracker.close("FINISHED")
    said = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(said) == 2 and "wants a login (401)" in said[0] and "supcon sync" in said[0]
    assert not [raw for raw in RAW for line in said if raw in line]

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from supcon_ext.tracking.store_uri import (
    answers,
    is_http,
    open_hint,
    resolve_uri,
    sqlite_path,
    without_login,
)


def test_default_is_an_absolute_database_here(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert resolve_uri(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolve_uri("sqlite:///sub.db") == f"sqlite:///{tmp_path}/sub.db"


def test_environment_is_respected(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.org:5000/")
    assert resolve_uri(None) == "http://example.org:5000"
    assert resolve_uri(f"sqlite:///{tmp_path}/a.db") == f"sqlite:///{tmp_path}/a.db"


def test_none_keeps_the_journal_only():
    assert resolve_uri("none") is None


def test_a_database_in_no_folder(tmp_path):
    with pytest.raises(ValueError, match="Try: mkdir -p"):
        resolve_uri(f"sqlite:///{tmp_path}/missing/mlflow.db")


def test_kinds(tmp_path):
    assert sqlite_path("http://example.org") is None
    assert sqlite_path("sqlite:///:memory:") is None
    assert sqlite_path(f"sqlite:///{tmp_path}/a.db") == tmp_path / "a.db"
    assert is_http("https://example.org") and not is_http("sqlite:///a.db")


def test_passwords_are_not_shown():
    assert without_login("https://me:secret@example.org:1/x") == "https://example.org:1/x"
    assert open_hint("https://me:secret@example.org") == "https://example.org"
    assert (
        open_hint("sqlite:////a/mlflow.db")
        == "mlflow ui --backend-store-uri sqlite:////a/mlflow.db"
    )


def test_nobody_there(free_port):
    assert not answers(f"http://127.0.0.1:{free_port}", 3)


def test_silence_is_no_answer(silent_server):
    assert not answers(silent_server, 0.3)


@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_any_answer_counts(status):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            assert answers(f"http://127.0.0.1:{served.server_port}", 10)
        finally:
            served.shutdown()
            thread.join()


FOLDERS = ["mlruns", "./mlruns", "/tmp/mlruns", "file:///tmp/mlruns", "file:mlruns", "C:\\mlruns"]
UNKNOWN = ["ftp://example.org", "HTTP://example.org", "redis://a:b@example.org", "uc:x", "s3://b/c"]
NO_ADDRESS = [
    "http://",
    "https:///mlflow",
    "http://a:b",
    "http://:80",
    "sqlite://a.db",
    "sqlite:a.db",
]


@pytest.mark.parametrize("uri", [*FOLDERS, *UNKNOWN, *NO_ADDRESS])
def test_what_mlflow_keeps_no_runs_in_is_known_at_once(uri, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(ValueError, match=r"^Expected .* but got .* Try: ") as caught:
        resolve_uri(uri)
    assert "a:b@" not in str(caught.value)
    assert ("the folder" in str(caught.value)) == (uri in FOLDERS)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://a:b@h/d",
        "mysql+pymysql://h/d",
        "mssql://h/d",
        "databricks",
        "http://[::1]:5000",
    ],
)
def test_what_mlflow_may_be_elsewhere(uri):
    assert resolve_uri(uri) == uri


def test_a_folder_where_the_user_let_mlflow_have_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert resolve_uri("mlruns") == "mlruns"

"""``supcon doctor``: each check finds what it is for."""

from __future__ import annotations

import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from supcon_ext import doctor
from supcon_ext.cli import main
from supcon_ext.doctor import Check, Condition, examine


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_this_machine() -> None:
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    numbers = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert numbers == [f"{n}/6" for n in range(1, 7)]


def test_something_wrong_is_an_exit_status_of_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(uri: str | None) -> Condition:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "CHECKS", (Check("torch", broken),))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "wrong" in result.stdout
    assert "operator torchvision::nms does not exist" in result.stdout


def test_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    assert doctor.check_python(None).status == "wrong"


def test_torch_and_torchvision_that_do_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import ops

    def missing(*args: Any) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(ops, "nms", missing)
    finding = doctor.check_torch(None)
    assert finding.status == "wrong"
    assert "torchvision::nms" in finding.detail
    assert "one index" in finding.advice


def test_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**30))
    assert doctor.check_disk(None).status == "note"


@pytest.fixture
def server() -> Iterator[str]:
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_tracking(folder: Path, server: str) -> None:
    check = Check("tracking", doctor.check_tracking)
    assert examine(check, "none").status == "ok"
    assert examine(check, f"sqlite:///{folder}/mlflow.db").status == "ok"
    assert examine(check, f"sqlite:///{folder}/nowhere/mlflow.db").status == "wrong"
    assert examine(check, server).status == "ok"
    assert examine(check, "http://127.0.0.1:9").status == "wrong"

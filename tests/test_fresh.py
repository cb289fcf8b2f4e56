"""The tests' own fresh processes do what a shell's would."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tests.fresh import start, supcon


def _print_and_leave(status: int) -> int:
    print("out", os.getcwd(), os.environ["MARK"], "supcon_ext.cli" in sys.modules)
    print("err", file=sys.stderr)
    return status


def _sleep() -> None:
    print("asleep", flush=True)
    time.sleep(60)


def test_output_status_folder_and_environment(tmp_path: Path) -> None:
    fresh = start(_print_and_leave, 3, cwd=tmp_path, env={"MARK": "m"})
    assert fresh.wait() == 3
    assert fresh.stdout == f"out {tmp_path} m True\n"
    assert fresh.stderr == "err\n"


def test_a_signal_ends_it() -> None:
    fresh = start(_sleep)
    fresh.wait_for(lambda: "asleep" in fresh.stdout)
    fresh.send(signal.SIGKILL, group=True)
    assert fresh.wait() == -signal.SIGKILL


def _stop_late_and_go_on() -> None:
    print("here", flush=True)
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGSTOP)


def test_one_that_stops_itself_later_than_it_is_told_to_go_on() -> None:
    fresh = start(_stop_late_and_go_on)
    fresh.wait_for(lambda: "here" in fresh.stdout)
    assert fresh.state in "RS"
    fresh.send(signal.SIGCONT)
    assert fresh.wait(60) == 0


def test_a_command(tmp_path: Path) -> None:
    assert "quickstart" in supcon("recipes", cwd=tmp_path).stdout
    wrong = supcon("run", "nothing", cwd=tmp_path)
    assert wrong.wait() == 2
    assert "nothing" in wrong.stderr

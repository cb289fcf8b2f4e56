"""How far the check of files is, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from supcon_ext.progress import counted_progress
from supcon_ext.progress.file_progress import FileProgress


@pytest.fixture()
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(counted_progress.time, "monotonic", lambda: now[0])
    return now


def shown(terminal: bool, clock: list[float], *moments: tuple[float, int]) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120, soft_wrap=True)
    with FileProgress(console) as progress:
        for seconds, done in moments:
            clock[0] = 100.0 + seconds
            progress(done, 9000)
    return file.getvalue()


def test_nothing_is_shown_of_what_is_quick(clock: list[float]) -> None:
    assert shown(False, clock, (0.5, 8000), (0.9, 9000)) == ""


def test_lines_elsewhere(clock: list[float]) -> None:
    assert shown(False, clock, (2, 1000), (3, 1500), (30, 6000), (40, 9000)) == (
        "checking image files: 1,000 of 9,000, 500 files/s, about 16 s left\n"
        "checking image files: 6,000 of 9,000, 200 files/s, about 15 s left\n"
    )


def test_a_bar_on_a_terminal(clock: list[float]) -> None:
    text = shown(True, clock, (2, 1000), (4, 4000))
    assert "checking image files" in text and "4000/9000" in text and "1,000 files/s" in text

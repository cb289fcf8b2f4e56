"""Pages that nobody could look at do not make CI green."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.browser import NAMES, chromium

CI = Path(__file__).parents[1] / ".ci" / "run"


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("1", pytest.fail.Exception),
        ("true", pytest.fail.Exception),
        ("", pytest.skip.Exception),
        (None, pytest.skip.Exception),
    ],
)
def test_without_a_browser(
    value: str | None, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    if value is not None:
        monkeypatch.setenv("CI", value)
    with pytest.raises(outcome, match="none is installed here"):
        chromium()


@pytest.mark.parametrize("name", NAMES)
def test_any_of_them_serves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda asked: f"/bin/{asked}" if asked == name else None)
    monkeypatch.setenv("CI", "1")
    assert chromium() == f"/bin/{name}"


def test_ci_says_that_it_is_ci_before_it_tests() -> None:
    text = CI.read_text()
    said = re.search(r"^export CI=1\b", text, re.M)
    assert said is not None and said.start() < text.index("pytest -n")

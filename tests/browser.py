"""A browser for the tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def chromium() -> str:
    """Chromium of the machine. Where there is none nothing can be looked at, which CI never passes.

    Raises:
        pytest.skip.Exception: There is none.
        pytest.fail.Exception: There is none, in CI.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        told = f"the page is looked at in none of {', '.join(NAMES)}: none is installed here"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()

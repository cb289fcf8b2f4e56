"""The page in Chromium: nothing complains or asks outside, and points show their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from supcon_ext.report.confusion import confusion
from supcon_ext.report.embedding_map import embedding_map
from supcon_ext.report.errors import errors
from supcon_ext.report.page import page
from tests.audit.test_page_in_browser import PHONE, WIDE
from tests.audit.test_page_in_browser import opened as opened
from tests.report.seen import CLASSES, seen

pytestmark = pytest.mark.long


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_point_shows_its_picture(viewport: Any, scheme: Any, opened: Any, tmp_path: Path) -> None:
    found = seen(True)
    made = page("t", "", [part(found, CLASSES) for part in (confusion, embedding_map, errors)])
    place = tmp_path / "page.html"
    place.write_text(made, encoding="utf-8")
    shown = opened(place, viewport=viewport)
    shown.emulate_media(color_scheme=scheme)
    near = shown.locator("#near")
    expect(near).to_be_hidden()
    shown.locator(".map circle").nth(4).hover()
    expect(near).to_be_visible()
    expect(near).to_contain_text("b, predicted c (0.95); test/4")
    expect(near.locator("img")).to_have_count(1)
    box = near.bounding_box()
    assert box is not None and box["x"] >= 0 and box["y"] >= 0
    assert box["x"] + box["width"] <= viewport["width"]
    shown.locator("h1").hover()
    expect(near).to_be_hidden()
    # no part of the page is wider than the window; what is scrolls in itself
    assert shown.evaluate("document.documentElement.scrollWidth") <= viewport["width"]

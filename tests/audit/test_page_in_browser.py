"""The page as people work on it: in Chromium, by keyboard and mouse, wide and phone-sized."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from supcon_ext.audit import page_pictures
from supcon_ext.audit.decisions import Decisions, read_decisions
from tests.audit.made_page import MadePage, made_page
from tests.hostile import HOSTILE

pytestmark = pytest.mark.long

WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
VIEWS = ("labels", "groups", "classes", "duplicates", "outliers")
FLAGGED = 120


@pytest.fixture
def opened(browser: Browser) -> Iterator[Any]:
    """Opens pages in one window after the other, all of one browser profile; none may complain."""
    context = browser.new_context(viewport=WIDE, accept_downloads=True)
    complaints: list[str] = []

    def show(made: MadePage | Path, **settings: Any) -> Page:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda asked: complaints.append(asked.url) if outside(asked.url) else 0)
        if settings:
            page.set_viewport_size(settings["viewport"])
        page.goto((made.path if isinstance(made, MadePage) else made).as_uri())
        return page

    yield show
    context.close()
    assert complaints == []


def outside(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


@pytest.fixture
def made(tmp_path: Path) -> MadePage:
    return made_page(tmp_path)


def exported(page: Page, folder: Path) -> dict[str, Any]:
    with page.expect_download() as told:
        page.keyboard.press("e")
    assert told.value.suggested_filename == "decisions.json"
    told.value.save_as(folder / "decisions.json")
    content: dict[str, Any] = json.loads((folder / "decisions.json").read_text())
    return content


def read_back(page: Page, made: MadePage, folder: Path) -> dict[int, tuple[str, int]]:
    """What the page exports, as the audit reads it."""
    exported(page, folder)
    read = read_decisions(folder / "decisions.json", made.samples)
    places = np.flatnonzero(read.what != "").tolist()
    return {place: (str(read.what[place]), int(read.label[place])) for place in places}


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shown_places(page: Page) -> list[str]:
    return page.locator("#items > .card.sample .what h2").all_text_contents()


def count(page: Page) -> str:
    return page.inner_text("#count")


def shows(page: Page, number: int) -> None:
    """Waits until it shows so many: what is typed is looked for a moment later."""
    expect(page.locator("#count")).to_have_text(re.compile(f"^{number:,} of "))


def test_keys_decide_and_the_audit_reads_what_they_did(
    opened: Any, made: MadePage, tmp_path: Path
) -> None:
    page = opened(made)
    assert page.inner_text("#progress") == f"0 of {FLAGGED} decided"
    press(page, "ArrowDown", "a", "k", "u")  # samples 0, 1, 2; 3 is not flagged
    press(page, "r")
    page.keyboard.type("do")
    press(page, "Enter")  # sample 4, given ant, now dog
    press(page, "ArrowDown", "a")  # 5 is passed over
    assert page.inner_text("#progress") == f"5 of {FLAGGED} decided"
    assert read_back(page, made, tmp_path) == {
        0: ("relabel", 1),
        1: ("keep", 1),
        2: ("unusable", 2),
        4: ("relabel", 3),
        6: ("relabel", 3),
    }
    said = page.locator("#items > .card.sample .said").all_text_contents()[:5]
    assert said == ["relabelled bee", "label kept", "unusable", "relabelled dog", ""]
    press(page, "z", "z")
    assert set(read_back(page, made, tmp_path)) == {0, 1, 2}
    press(page, "c", "z", "z", "z", "z", "z", "z")
    assert read_back(page, made, tmp_path) == {}
    assert page.locator("#undo").is_disabled()
    assert "0 decisions are in decisions.json" in page.inner_text("#told")


def test_buttons_decide_as_keys_do(opened: Any, made: MadePage, tmp_path: Path) -> None:
    page = opened(made, viewport=PHONE)
    cards = page.locator("#items > .card")
    cards.nth(0).locator("button.accept").click()
    cards.nth(1).locator("button.keep").click()
    cards.nth(2).locator("button.leave").click()
    cards.nth(3).locator("button.other").click()
    page.locator("#classes li", has_text="cat").click()
    cards.nth(4).locator("button.other").click()
    page.locator("#cancel").click()
    expected = {0: ("relabel", 1), 1: ("keep", 1), 2: ("unusable", 2), 4: ("relabel", 2)}
    assert read_back(page, made, tmp_path) == expected
    page.locator("#undo").click()
    del expected[4]
    assert read_back(page, made, tmp_path) == expected


def test_relabelling_to_the_given_label_is_keeping_it(
    opened: Any, made: MadePage, tmp_path: Path
) -> None:
    page = opened(made)
    press(page, "ArrowDown", "r")
    page.keyboard.type("ant")
    press(page, "Enter")
    assert read_back(page, made, tmp_path) == {0: ("keep", 0)}


def test_what_was_decided_is_kept_for_this_data_alone(
    opened: Any, made: MadePage, tmp_path: Path
) -> None:
    page = opened(made)
    press(page, "ArrowDown", "a", "k")
    page.goto("about:blank")
    again = opened(made)
    assert again.inner_text("#progress") == f"2 of {FLAGGED} decided"
    assert read_back(again, made, tmp_path) == {0: ("relabel", 1), 1: ("keep", 1)}
    (tmp_path / "other").mkdir()
    other = opened(made_page(tmp_path / "other", train=124))
    assert other.inner_text("#progress").startswith("0 of ")


def test_a_browser_that_keeps_nothing_is_told_of(opened: Any, made: MadePage) -> None:
    page = opened(made)
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full') } }")
    press(page, "ArrowDown", "a")
    page.wait_for_selector("#told:not([hidden])")
    assert "export it before you close the page" in page.inner_text("#told")


@pytest.mark.parametrize("kept", ["", "[]", "null", "7", "{", '{"train 0": 7, "train 1": ["a"]}'])
def test_what_another_program_left_in_the_browser_is_passed_over(
    opened: Any, made: MadePage, kept: str
) -> None:
    page = opened(made)
    page.evaluate("kept => localStorage.setItem(STORE, kept)", kept)
    page.reload()
    assert page.inner_text("#progress") == f"0 of {FLAGGED} decided"


def test_decisions_that_came_with_the_page_go_on(opened: Any, tmp_path: Path) -> None:
    what, label = np.full(160, "", dtype="<U8"), np.arange(160) % 4
    what[0], what[4], what[3], what[7], label[4] = "keep", "relabel", "keep", "unusable", 2
    made = made_page(tmp_path, decisions=Decisions(what, label))
    page = opened(made)
    before = {0: ("keep", 0), 3: ("keep", 3), 4: ("relabel", 2), 7: ("unusable", 3)}
    assert read_back(page, made, tmp_path) == before
    page.locator("#items > .card").nth(0).focus()
    press(page, "c")
    page.wait_for_timeout(300)
    page.reload()
    del before[0]
    assert read_back(page, made, tmp_path) == before


def test_a_group_is_judged_at_once(opened: Any, made: MadePage, tmp_path: Path) -> None:
    page = opened(made)
    press(page, "2")
    group = page.locator("#items > .card").nth(0)
    picks = group.locator(".pick")
    assert picks.count() == 24 and "24 selected" in group.inner_text()
    picks.nth(0).click()
    picks.nth(1).focus()
    press(page, "Space")
    assert "22 selected" in group.inner_text()
    press(page, "a")
    found = read_back(page, made, tmp_path)
    assert set(found) == {4 * i for i in range(2, 24)} and set(found.values()) == {("relabel", 1)}
    group.focus()
    press(page, "z")
    assert read_back(page, made, tmp_path) == {}
    press(page, "t", "u")  # all in again: some were out
    press(page, "t")
    assert read_back(page, made, tmp_path) == {}
    group.focus()
    press(page, "r")
    page.keyboard.type("cat")
    press(page, "Enter")
    found = read_back(page, made, tmp_path)
    assert len(found) == 24 and set(found.values()) == {("relabel", 2)}


def test_duplicates_and_outliers_can_be_left_out(
    opened: Any, made: MadePage, tmp_path: Path
) -> None:
    page = opened(made)
    press(page, "4")
    assert count(page) == "2 of 2 shown"
    heads = page.locator("#items .card h2").all_text_contents()
    assert heads == ["In train and test, with the same label", "In train, with different labels"]
    assert "test, 2 bits apart" in page.inner_text("#items")
    press(page, "ArrowDown", "u")  # all but the first
    press(page, "5")
    assert "10 times as far" in str(page.locator("#items .card").nth(0).text_content())
    press(page, "ArrowDown", "u")
    assert read_back(page, made, tmp_path) == {11: ("unusable", 3), 123: ("unusable", 3)}


def test_whole_classes_in_doubt(opened: Any, made: MadePage) -> None:
    page = opened(made)
    press(page, "3")
    rows = page.locator("tbody tr")
    told = [row.split("\t")[:5] for row in rows.all_inner_texts()]
    assert told[0] == ["ant (in doubt as a whole)", "40", "40", "100.0 %", "bee (40)"]
    assert told[3] == ["dog", "40", "0", "0.0 %", ""]
    rows.nth(1).locator("button").click()
    assert count(page) == f"40 of {FLAGGED} shown"
    assert {text.split(",")[0] for text in shown_places(page)} == {"given bee"}


def test_filters_search_order_and_pages(opened: Any, made: MadePage) -> None:
    page = opened(made)
    assert page.locator("#items > .card").count() == 50
    press(page, "n")
    assert page.input_value("#page") == "2"
    press(page, "n", "n")
    assert page.locator("#items > .card").count() == 20 and page.locator("#next").is_disabled()
    press(page, "p")
    assert page.input_value("#page") == "2"
    for name, value, left in (
        ("given", "1", 40),
        ("suggested", "3", 40),
        ("split", "test", 30),
        ("split", "train", 90),
        ("decided", "undecided", 120),
        ("decided", "decided", 0),
        ("order", "name", 120),
    ):
        page.select_option(f"#{name}", value)
        assert count(page) == f"{left} of {FLAGGED} shown", (name, value)
        page.click("button[type=reset]")
        shows(page, 120)
    page.fill("#confidence", "0.75")
    shows(page, 60)
    page.click("button[type=reset]")
    press(page, "/")
    page.keyboard.type("00010")
    shows(page, 9)
    press(page, "Escape", "ArrowDown", "a", "k", "u", "u")
    assert page.input_value("#search") == "00010" and count(page).startswith("9 of ")
    page.fill("#search", "")
    for value, left in (("decided", 4), ("relabel", 1), ("keep", 1), ("unusable", 2)):
        page.select_option("#decided", value)
        assert count(page) == f"{left} of {FLAGGED} shown"


@pytest.mark.parametrize("key", ["Escape", "Enter"])
def test_what_was_typed_is_looked_for_before_a_key_decides(
    opened: Any, made: MadePage, tmp_path: Path, key: str
) -> None:
    page = opened(made)
    press(page, "/")
    page.keyboard.type("00010")
    press(page, key, "ArrowDown", "a")  # within the moment for which a search waits
    shows(page, 9)
    page.wait_for_timeout(300)
    press(page, "k")
    assert list(read_back(page, made, tmp_path)) == [10, 100]


def test_a_search_that_comes_late_leaves_the_card_under_way(
    opened: Any, made: MadePage, tmp_path: Path
) -> None:
    page = opened(made)
    page.fill("#search", "00010")
    page.locator("#items > .card").nth(0).focus()  # sample 0, which the search leaves out
    shows(page, 9)
    press(page, "a")
    page.fill("#search", "")
    page.locator("#items > .card").nth(1).focus()
    shows(page, 120)
    press(page, "k")
    assert read_back(page, made, tmp_path) == {10: ("relabel", 3), 100: ("keep", 0)}


def test_the_large_view(opened: Any, made: MadePage, tmp_path: Path) -> None:
    page = opened(made)
    press(page, "ArrowDown", "Enter")
    large = page.locator("#large")
    assert large.is_visible() and "/data/ant/000000.png" in large.inner_text()
    assert large.locator(".own img").evaluate("image => image.clientWidth") >= 400
    assert large.locator(".strip").count() == 2 and large.locator(".strip img").count() == 10
    press(page, "a", "ArrowRight", "k", "z")
    assert "/data/bee/000005.png" not in large.inner_text()
    press(page, "ArrowLeft")
    press(page, "Escape")
    assert not large.is_visible()
    assert page.evaluate("document.activeElement.classList.contains('sample')")
    assert read_back(page, made, tmp_path) == {0: ("relabel", 1)}
    page.locator("#items .card").nth(2).locator(".strip button").nth(0).click()
    assert large.is_visible()
    large.get_by_role("button", name="Close").click()
    press(page, "2", "ArrowDown", "Enter")
    assert "000000.png" in large.inner_text()
    large.get_by_role("button", name="Next").click()
    assert "000004.png" in large.inner_text()
    large.get_by_role("button", name="Previous").click()
    press(page, "Escape")
    page.locator("#items .pick").nth(3).focus()
    press(page, "Enter")
    assert "000012.png" in large.inner_text()
    press(page, "Escape")
    page.locator("#items .card").nth(0).get_by_role("button", name="Large").click()
    assert "000000.png" in large.inner_text()
    press(page, "r")
    assert page.locator("#relabel").is_visible()
    press(page, "Escape", "Escape")
    press(page, "?")
    assert page.locator("#keys").is_visible()


DECODED = """() => Promise.all([...document.querySelectorAll("#items img")].map(async image => {
  image.loading = "eager";
  await image.decode();
  return image.naturalWidth;
}))"""


@pytest.mark.parametrize("apart", [False, True], ids=["within", "beside"])
def test_every_picture_is_there(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    if apart:
        monkeypatch.setattr(page_pictures, "WITHIN", 10)
    made = made_page(tmp_path, side=40)
    assert (tmp_path / "index_pictures").is_dir() is apart
    page = opened(made)
    for view in VIEWS:
        page.click(f"[data-view={view}]")
        widths = page.evaluate(DECODED)
        assert set(widths) <= {40} and (widths or view == "classes"), view


LUMINANCE = """colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""
CONTRASTS = f"""() => {{
  const luminance = {LUMINANCE};
  const behind = element => {{
    for (let at = element; at; at = at.parentElement) {{
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }}
    return getComputedStyle(document.body).backgroundColor;
  }};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {{
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, :disabled, kbd")) continue;
    const [a, b] = [getComputedStyle(element).color, behind(element)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${{walker.currentNode.data.trim()}} ${{ratio.toFixed(2)}}`);
  }}
  return found;
}}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_can_be_read(browser: Browser, made: MadePage, scheme: Any, size: ViewportSize) -> None:
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(made.path.as_uri())
    back = page.evaluate(f"({LUMINANCE})(getComputedStyle(document.body).backgroundColor)")
    assert back > 0.8 if scheme == "light" else back < 0.05
    for view in VIEWS:
        page.click(f"[data-view={view}]")
        press(page, "ArrowDown", *(("u",) if view != "classes" else ()))
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], view
        assert page.evaluate(CONTRASTS) == [], view
    page.click("[data-view=labels]")
    press(page, "ArrowDown", "Enter")
    assert page.evaluate("document.querySelector('#large').scrollWidth") <= size["width"]
    assert page.evaluate(CONTRASTS) == []
    press(page, "r")
    assert page.evaluate(CONTRASTS) == []
    context.close()


def test_every_control_has_a_name(opened: Any, made: MadePage) -> None:
    page = opened(made)
    for view in VIEWS:
        page.click(f"[data-view={view}]")
        told = page.locator("body").aria_snapshot()
        unnamed = re.findall(
            r"^\s*- (?:button|link|textbox|combobox|searchbox|img)\s*$", told, re.M
        )
        assert unnamed == [], view


def test_hostile_names_stay_text(opened: Any, tmp_path: Path) -> None:
    made = made_page(tmp_path, classes=HOSTILE)
    page = opened(made)
    for view in VIEWS:
        page.click(f"[data-view={view}]")
    press(page, "1", "ArrowDown", "a", "r")
    page.keyboard.type("onerror")
    press(page, "Enter")
    found = read_back(page, made, tmp_path)
    assert found[0] == ("relabel", 1)
    assert found[1] == ("relabel", 3)


def test_a_hundred_thousand_doubted_labels(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = page_pictures.coded(np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(page_pictures, "coded", lambda image, side: picture)
    made = made_page(tmp_path, train=120_000, test=13_334, side=1)
    flagged = len(made.table.flagged())
    assert flagged >= 100_000
    page = opened(made)
    assert page.inner_text("#progress") == f"0 of {flagged:,} decided"
    assert count(page) == f"{flagged:,} of {flagged:,} shown"
    assert page.locator("img").count() == 50 * 11
    assert page.inner_text("#last") == f"{-(-flagged // 50):,}"
    page.fill("#page", str(-(-flagged // 50)))
    press(page, "Enter", "Escape", "ArrowDown", "a")
    page.fill("#search", "099999.png")
    shows(page, 0)
    page.fill("#search", "100000.png")
    shows(page, 1)
    press(page, "Escape", "ArrowDown", "k")
    page.fill("#search", "")
    press(page, "Escape", "2")
    assert count(page).endswith(f"of {-(-33_334 // 24) * 2 + -(-33_333 // 24):,} shown")
    press(page, "ArrowDown", "u")
    found = read_back(page, made, tmp_path)
    assert found[100_000] == ("keep", 0) and len(found) == 26
    page.wait_for_timeout(300)
    page.reload()
    assert page.inner_text("#progress") == f"26 of {flagged:,} decided"

"""The page of a chain of filters: every reason with its pictures, nothing that a name can break."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from data_tools.image_files import ImageFiles
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.filter_page import write_filter_page
from supcon_ext.synthetic.filtering import filtered
from tests.synthetic.sets import beside, made, real_pictures, real_vectors

EVIL = '<script>alert("1")</script>\x1b[31m{{told}}'


class Read(HTMLParser):
    """Tags that are open, and pictures, by the heading that they are under."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: dict[str, int] = {}
        self.heading = ""
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "form")
        if tag == "details":
            self.heading = ""
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if tag == "figure":
            self.sections[self.heading] = self.sections.get(self.heading, 0) + 1
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "src":
                assert value is not None and value.startswith("data:image/")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "summary" in self.open and "small" not in self.open:
            self.heading = (self.heading + data).strip()


def read(path: Path) -> Read:
    page = Read()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_every_reason_has_its_pictures(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    label = np.arange(12) % 3
    pictures = drawn.integers(0, 60, (60, 12, 12, 3), dtype=np.uint8)
    for place in range(60):
        pictures[place, 4 * (place % 3) : 4 * (place % 3) + 4] += 190
    real = real_pictures(pictures[:12], label)
    own = np.arange(60) % 3
    own[40:] = (own[40:] + 1) % 3
    pictures[30] = 0
    synthetic = beside(real, pictures, label=own, captions=[f"{EVIL} {n % 5}" for n in range(60)])
    chain = [made("readable"), made("knn_agreement", k=3), made("top_k", k=5)]
    _, report = filtered(synthetic, chain, real, measured=True)
    write_filter_page(tmp_path / "page.html", synthetic, report, EVIL, each=8)
    page = read(tmp_path / "page.html")
    low = "fewer than 0.5 of its nearest real samples are of its class"
    kept = int(report.kept.sum())
    assert page.sections == {
        "Dropped by readable: it is black": 1,
        f"Dropped by knn_agreement: {low}": 8,
        "Dropped by top_k: 5 of its caption are better": 8,
        "Kept": 8,
    }
    assert f"{kept} of 60 synthetic samples are kept, {kept / 60:.1%}." in page.text
    assert "8 of 20" in page.text and "alert" in page.text and "\x1b" not in page.text
    assert "{{told}}" in page.text  # a name is no hole
    for name in ("cat", "dog", "owl"):
        assert name in page.text


def test_a_picture_that_cannot_be_read_has_its_place(tmp_path: Path) -> None:
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), noise)
    (tmp_path / "b.png").write_text("no picture")
    files = ImageFiles([tmp_path / "a.png", tmp_path / "b.png"])
    real = real_pictures(noise[None], [0])
    synthetic = SyntheticSet.of(
        files,
        files.spec(),
        real.samples.classes,
        columns={"path": np.array([str(path) for path in files.paths], dtype=object)},
    )
    _, report = filtered(synthetic, [made("readable")], real)
    write_filter_page(tmp_path / "page.html", synthetic, report, "made")
    page = read(tmp_path / "page.html")
    assert page.sections == {"Dropped by readable: it cannot be read": 1, "Kept": 1}
    assert "b.png" in page.text and "cannot be read" in page.text


def test_classes_that_more_will_not_help_are_marked_and_come_first(tmp_path: Path) -> None:
    unit = np.eye(4, dtype=np.float32)
    drawn = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 20)
    x = unit[label] * 4 + drawn.normal(size=(60, 4)) * 0.3
    real = real_vectors(x, label)
    synthetic = beside(real, unit[[0, 1, 0, 0]] * 4, label=[0, 1, 2, 2])
    _, report = filtered(synthetic, [], real, measured=True)
    write_filter_page(tmp_path / "page.html", synthetic, report, "made", seen_by="By vectors.")
    page = read(tmp_path / "page.html")
    assert "A classifier of real samples does not recognise owl: more of such images" in page.text
    classes = page.text.split("of real")[-1]
    assert re.findall("cat|dog|owl", classes)[:3] == ["owl", "cat", "dog"]
    assert classes.count("more of such images will not help") == 1
    assert "By vectors." in page.text and "nothing to look at" in page.text


def test_the_page_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = real_vectors(np.eye(4), [0, 1, 2, 2])
    synthetic = beside(real, np.eye(4), label=[0, 1, 2, 2])
    _, report = filtered(synthetic, [], real)
    with pytest.raises(FileNotFoundError):
        write_filter_page(tmp_path / "no" / "page.html", synthetic, report, "made")
    assert list(tmp_path.iterdir()) == []

"""Class names and file names that are scripts, formulas and escape sequences stay text."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from data_tools.csv_cell import csv_cell
from data_tools.printable import printable
from data_tools.samples import SampleSet
from supcon_ext.audit.page import template, write_page
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import Verdict
from supcon_ext.audit.table import AuditTable
from supcon_ext.progress.console import ConsoleProgress
from tests.hostile import HOSTILE, UNPRINTABLE


def table() -> AuditTable:
    """Two images of each hostile class, each in a hostile file, all of them doubted."""
    classes, count = len(HOSTILE), 2 * len(HOSTILE)
    label = np.arange(count) % classes
    images = SampleSet(
        np.zeros((count, 4, 4, 3), dtype=np.uint8),
        label,
        HOSTILE,
        {"path": np.array([f"/data/{HOSTILE[i % classes]}/{i}.png" for i in range(count)])},
    )
    samples = AuditedSamples(images, None, np.arange(count), False)
    near = torch.tensor([[(i + 1) % count, -1, -1, -1, -1] for i in range(count)])
    verdict = Verdict(
        suspicion=torch.full((count,), 0.9, dtype=torch.float64),
        suggested=torch.from_numpy((label + 1) % classes),
        confidence=torch.full((count,), 0.9, dtype=torch.float64),
        flagged=torch.ones(count, dtype=torch.bool),
        disagreeing=near,
    )
    return AuditTable(samples, verdict)


class Structure(HTMLParser):
    """Every tag with its attributes, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.scripts: list[str] = []
        self.comments: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@pytest.mark.parametrize("title", HOSTILE)
def test_the_page_has_the_tags_of_its_template_and_no_others(tmp_path: Path, title: str) -> None:
    path = tmp_path / "index.html"
    write_page(path, table(), title, 100, f"{title}.csv", ConsoleProgress())
    text = path.read_text(encoding="utf-8")
    made, plain = Structure(text), Structure(template())
    assert made.tags == plain.tags and made.comments == plain.comments
    assert len(made.scripts) == 2 and made.scripts[1] == plain.scripts[1]
    data = json.loads(made.scripts[0])
    assert data["classes"] == [printable(name) for name in HOSTILE]
    assert len(data["rows"]) == 2 * len(HOSTILE)
    assert "<" not in made.scripts[0] and "&" not in made.scripts[0]
    assert not set(UNPRINTABLE) & set(text)


def test_no_cell_of_the_table_is_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    table().write_csv(path)
    text = path.read_text(encoding="utf-8")
    assert not set(UNPRINTABLE) & set(text)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(HOSTILE)
    for row in rows:
        for value in row.values():
            assert not value.lstrip().startswith(("=", "+", "-", "@"))
    names = {row["given_name"] for row in rows}
    assert {'\'=HYPERLINK("http://x","y")', "'-1-2", "<script>alert(1)</script>"} <= names


@pytest.mark.parametrize("value", [1, -2, -0.5, None, True, "cat", "a=b", ""])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) is value or csv_cell(value) == value

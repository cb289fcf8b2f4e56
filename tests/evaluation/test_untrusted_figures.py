"""Every figure is drawn whatever classes, runs and recipes are called."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from supcon_ext.compare.comparison import Comparison, Row, Spread
from supcon_ext.compare.comparison_files import write_comparison
from supcon_ext.compare.figure import draw
from supcon_ext.compare.selection_curves import _line
from supcon_ext.evaluation import figures
from supcon_ext.evaluation.figure_text import figure_text
from supcon_ext.evaluation.score_histogram import score_histogram
from tests.hostile import HOSTILE, UNPRINTABLE


def class_rows():
    return [
        {
            "class": c,
            "name": name,
            "group": "many",
            "train_count": 9,
            "count": 3,
            "accuracy": 0.5,
        }
        for c, name in enumerate(HOSTILE)
    ]


def comparison():
    rows = [
        Row({"k": name}, "last", name, (0,), {"accuracy": Spread.of([0.5])}, (Path("run"),))
        for name in HOSTILE
    ]
    return Comparison(("k",), tuple(rows))


POINTS = np.random.default_rng(0).normal(size=(len(HOSTILE), 2))
SERIES = {name: ([1, 2], [0.1, 0.2]) for name in HOSTILE}
SCORES = np.linspace(0, 1, 10)
DRAWN = {
    "confusion": lambda p: figures.confusion(p, np.eye(len(HOSTILE), dtype=int), HOSTILE),
    "class bars": lambda p: figures.class_bars(p, class_rows()),
    "class sizes": lambda p: figures.class_sizes(p, class_rows()),
    "scatter": lambda p: figures.scatter(
        p, POINTS[:20], np.arange(20), HOSTILE[:20], "".join(HOSTILE)
    ),
    "lines": lambda p: figures.lines(p, SERIES, "".join(HOSTILE)),
    "scores": lambda p: score_histogram(p, SCORES, SCORES > 0.5, None, "".join(HOSTILE)),
    "comparison": lambda p: draw(comparison(), p),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_figures(tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that the font lacks
        DRAWN[kind](tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_every_name_is_in_the_legend():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    spread = [(1, Spread.of([0.5]))]
    for number, name in enumerate(HOSTILE):
        _line(axes, spread, figure_text(name), number)
    assert len(axes.get_legend_handles_labels()[1]) == len(HOSTILE)


def test_markdown_keeps_its_columns():
    lines = comparison().markdown().splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    for line in lines:
        assert line.replace(r"\|", "").count("|") == len(comparison().columns) + 1
        assert "<" not in line and "](" not in line
        assert not set(UNPRINTABLE) & set(line)


def test_comparisons_are_no_formulas(tmp_path):
    written = {path.suffix: path for path in write_comparison(comparison(), tmp_path)}
    text = written[".csv"].read_text(encoding="utf-8")
    assert "'=HYPERLINK" in text and not set(UNPRINTABLE) & set(text.replace("\r\n", "\n"))

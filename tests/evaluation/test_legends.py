"""Every line that is drawn anywhere is named in a legend."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.lines import Line2D

import supcon_ext
from supcon_ext.compare.comparison import Comparison, Row
from supcon_ext.compare.selection_curves import draw_selections
from supcon_ext.evaluation import figures
from supcon_ext.evaluation.metrics import reliability
from supcon_ext.evaluation.score_histogram import score_histogram
from supcon_ext.report.curves import curves
from supcon_ext.tracking import Tracker, TrackingSettings
from tests.evaluation.test_figures import rows
from tests.evaluation.test_metrics import confident

ROWS = "stage,epoch,selected,precision,recall\na,1,5,0.5,0.4\na,2,8,0.75,0.6\n"
KEPT = "stage,epoch,selected\na,1,5\na,2,8\n"


def selections(place: Path, text: str = ROWS) -> Path:
    (place / "tables").mkdir(parents=True)
    (place / "tables" / "selection.csv").write_text(text)
    return place


def compared(place: Path) -> None:
    made = [
        Row({"method": name}, "last", "knn", (0,), {}, (selections(place / name),))
        for name in ("one", "two")
    ]
    draw_selections(Comparison(("method",), tuple(made)), place / "x.png")


def reported(place: Path, text: str) -> None:
    run = selections(place / "run", text)
    tracker = Tracker(run, TrackingSettings("none"), run_name="run", tags={})
    for step in (1, 2):
        numbers = {"epoch": float(step), "train/loss": 1.0, "validation/knn/accuracy": 0.5}
        tracker.metrics({**numbers, "train/a/loss": 2.0, "train/accuracy": 0.5}, step)
    tracker.close("FINISHED")
    drawn = curves(run, 10).body
    assert all(f">{title}<" in drawn for title in ("Selection", "Loss in training"))
    assert ">kept</text>" in drawn and drawn.count("<svg") == 4


def histogram(place: Path) -> None:
    score = np.arange(20.0)
    score_histogram(place / "x.png", score, score > 9, None, "t")


ONE = {"a": ([0.0, 1.0], [0.5, 0.25])}
DRAWN: dict[str, tuple[set[str], Callable[[Path], Any]]] = {
    "bars": ({"class_bars"}, lambda p: figures.class_bars(p / "x.png", rows(4))),
    "sizes": ({"class_sizes"}, lambda p: figures.class_sizes(p / "x.png", rows(6))),
    "reliability": (
        {"reliability_diagram"},
        lambda p: figures.reliability_diagram(
            p / "x.png", reliability(confident([0.9, 0.8], [1, 0]), 10), 0.35
        ),
    ),
    "a line": ({"lines"}, lambda p: figures.lines(p / "x.png", ONE)),
    "lines": ({"lines"}, lambda p: figures.lines(p / "x.png", {**ONE, "b": ONE["a"]})),
    "histogram": ({"score_histogram"}, histogram),
    "a sweep's selections": ({"_line"}, compared),
    "a report": ({"lines"}, lambda p: reported(p, ROWS)),
    "a report without true labels": ({"lines"}, lambda p: reported(p, KEPT)),
}


def drawing_lines() -> set[str]:
    """Functions of the package in which a line is drawn."""
    found = set()
    for path in Path(supcon_ext.__path__[0]).rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
                names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
                if names & {"plot", "axhline", "axvline"}:
                    found.add(function.name)
    return found


def test_every_drawing_with_lines_is_here() -> None:
    assert drawing_lines() == set().union(*(functions for functions, _ in DRAWN.values()))


@pytest.mark.parametrize("case", DRAWN)
def test_each_line_is_in_a_legend(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[matplotlib.figure.Figure] = []
    save = matplotlib.figure.Figure.savefig

    def saving(self: matplotlib.figure.Figure, *args: Any, **kwargs: Any) -> None:
        seen.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", saving)
    DRAWN[case][1](tmp_path)
    lines = 0
    for figure in seen:
        legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
        named = {text.get_text() for legend in legends if legend for text in legend.get_texts()}
        for axes in figure.axes:
            drawn = [line for line in axes.get_lines() if isinstance(line, Line2D)]
            assert {line.get_label() for line in drawn} <= named
            lines += len(drawn)
    assert lines

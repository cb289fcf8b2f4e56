"""Curves of selections over seeds: exact means, and a picture where there is something to show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from supcon_ext.compare import compare, write_comparison
from supcon_ext.compare.selection_curves import draw_selections, selection_curves
from tests.compare.test_comparison import make_run


def selected(folder: Path, rows: dict[int, float]) -> Path:
    table = folder / "tables" / "selection.csv"
    table.parent.mkdir()
    lines = [f"select,{epoch},{value},{value / 2}" for epoch, value in rows.items()]
    table.write_text("\n".join(["stage,epoch,precision,recall", *lines]) + "\n")
    return folder


def test_means_over_the_epochs_that_all_seeds_have(tmp_path: Path) -> None:
    runs = [
        selected(make_run(tmp_path / "a", 0, 0.5), {1: 0.5, 2: 0.6, 3: 0.9}),
        selected(make_run(tmp_path / "b", 1, 0.5), {1: 0.7, 2: 0.8}),
    ]
    curves = selection_curves(runs)
    assert [epoch for epoch, _ in curves["precision"]] == [1, 2]
    assert [spread.mean for _, spread in curves["precision"]] == pytest.approx([0.6, 0.7])
    assert curves["recall"][0][1].std == pytest.approx(0.1 / 2**0.5)
    assert selection_curves([runs[0], make_run(tmp_path / "c", 2, 0.5)]) == {}


def test_drawn_where_runs_selected(tmp_path: Path) -> None:
    for noise in ("low", "high"):
        for number, method in enumerate(("ce", "sel_cl", "ssr")):
            for seed in range(2):
                name = f"{noise}-{method}-s{seed}"
                folder = make_run(tmp_path / "sweep" / name, seed, 0.5)
                place = {"variant": {"noise": noise, "method": method}, "seed": seed}
                (folder / "variant.json").write_text(json.dumps(place))
                if method != "ce":
                    selected(folder, {e: 0.5 + e / 20 + number / 9 + seed / 50 for e in range(6)})
    found = compare([tmp_path / "sweep"])
    paths = write_comparison(found, tmp_path / "out")
    assert paths[-1].name == "selection.png"
    assert paths[-1].read_bytes()[:4] == b"\x89PNG"


def test_nothing_is_drawn_where_none_did(tmp_path: Path) -> None:
    found = compare([make_run(tmp_path / "a", 0, 0.5)])
    assert not draw_selections(found, tmp_path / "selection.png")
    assert not (tmp_path / "selection.png").exists()


def test_rare_classes_have_a_row_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, method in enumerate(("sel_cl", "ssr")):
        folder = make_run(tmp_path / "sweep" / method, 0, 0.5)
        (folder / "variant.json").write_text(json.dumps({"variant": {"method": method}, "seed": 0}))
        table = folder / "tables" / "selection.csv"
        table.parent.mkdir()
        table.write_text(
            "stage,epoch,precision,recall,precision_few,recall_few\n"
            f"select,1,0.9,0.8,0.{number + 3},0.2\nselect,2,0.95,0.85,0.4,0.3\n"
        )
    found = compare([tmp_path / "sweep"])
    curves = selection_curves(found.rows[0].runs)
    assert [spread.mean for _, spread in curves["precision_few"]] == pytest.approx([0.3, 0.4])
    drawn: list[tuple[str, str, int]] = []

    def keep(figure: Figure, file: Path, dpi: int) -> None:
        drawn.extend((a.get_title(loc="left"), a.get_ylabel(), len(a.lines)) for a in figure.axes)
        file.touch()

    monkeypatch.setattr(Figure, "savefig", keep)
    assert draw_selections(found, tmp_path / "selection.png")
    assert drawn == [
        (group, measure, 2)
        for group in ("all classes", "rare classes")
        for measure in ("precision", "recall")
    ]

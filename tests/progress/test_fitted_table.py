"""Tables that fit: whole where they do, names broken where not, then several of them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from supcon_ext.progress.fitted_table import fitted_tables

METRICS = ["balanced_accuracy", "worst_class", "accuracy_many", "accuracy_medium"]
METRICS += ["accuracy_few", "accuracy"]


def printed(rows: list[dict[str, Any]], columns: list[str], width: int, keys: int) -> list[str]:
    console = Console(file=io.StringIO(), width=10_000)
    for table in fitted_tables(rows, columns, width, keys):
        console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def words(lines: list[str]) -> list[list[str]]:
    return [line.translate(str.maketrans("│┃", "  ")).split() for line in lines]


def test_what_fits_is_one_table_with_whole_names() -> None:
    lines = printed([{"a": "x", "balanced_accuracy": 0.5}], ["a", "balanced_accuracy"], 30, 1)
    assert ["a", "balanced_accuracy"] in words(lines) and ["x", "0.5000"] in words(lines)
    assert len([line for line in lines if line.startswith("┏")]) == 1


def test_a_run_without_selection_is_one_table_of_100() -> None:
    columns = ["evaluator", "network", *METRICS]
    row = {"evaluator": "linear_probe", "network": "last (epoch 100)", **dict.fromkeys(METRICS, 0)}
    lines = printed([row], columns, 100, 2)
    assert len([line for line in lines if line.startswith("┏")]) == 1
    assert max(map(len, lines)) <= 100
    first = next(line for line in lines if "balanced" in line)
    assert first.index("balanced") < first.index("worst") < first.index("accuracy")


@pytest.mark.parametrize("width", [60, 80, 100, 140, 1_000])
@pytest.mark.parametrize("number", [1, 6, 30])
def test_no_table_is_wider_and_no_column_is_lost(width: int, number: int) -> None:
    columns = ["method", "network", *(f"metric_{i}" for i in range(number))]
    values = {f"metric_{i}": f"{(i + 1) / 100:.4f} ± 0.0000" for i in range(number)}
    rows = [{"method": m, "network": "last", **values} for m in ("ce", "sel_cl_bcl")]
    lines = printed(rows, columns, width, 2)
    assert max(map(len, lines)) <= width
    told = words(lines)
    for row in rows:
        mine = [line for line in told if line[:1] == [row["method"]]]
        assert all(line[:2] == [row["method"], "last"] for line in mine)
        shown = [word for line in mine for word in line[2:] if word not in ("±", "0.0000")]
        assert shown == [f"{(i + 1) / 100:.4f}" for i in range(number)]
    single = len([line for line in lines if line.startswith("┏")]) == 1
    assert single == (number == 1 or width == 1_000 or (number == 6 and width == 140))


def test_a_cell_too_long_for_any_table_goes_over_lines() -> None:
    lines = printed([{"a": "x" * 90, "b": 1}], ["a", "b"], 100, 1)
    assert max(map(len, lines)) <= 100 and "".join(lines).count("x") == 90


def test_nothing_to_show() -> None:
    assert "".join(printed([], [], 100, 2)).strip() == ""

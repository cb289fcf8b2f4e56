"""Differences on shared seeds, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from supcon_ext.compare import compare
from supcon_ext.compare.paired import paired
from tests.compare.test_comparison import make_run


def test_differences_and_their_interval(tmp_path: Path) -> None:
    a, b = (0.9, 0.8, 0.7), (0.8, 0.6, 0.4)
    runs = [make_run(tmp_path / f"a{s}", s, a[s], model="a") for s in range(3)]
    runs += [make_run(tmp_path / f"b{s}", s, b[s], model="b") for s in range(3)]
    runs += [make_run(tmp_path / "c0", 0, 0.1, model="c")]  # one seed tells nothing
    runs += [make_run(tmp_path / f"d{s}", s, 0.2, model="d") for s in (7, 8)]  # none is shared
    (found,) = paired(compare(runs))
    assert (found.name, found.against, found.measure) == ("b", "a", "accuracy")
    assert found.difference.n == 3 and found.difference.mean == pytest.approx(-0.2)
    half = 4.302652729696142 * 0.1 / math.sqrt(3)  # Student's t at 97.5 %, two degrees of freedom
    assert (found.low, found.high) == pytest.approx((-0.2 - half, -0.2 + half))


def test_rows_are_paired_by_seed_not_by_place(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"a{s}", s, 0.5 + s / 10, model="a") for s in (0, 1, 2)]
    runs += [make_run(tmp_path / f"b{s}", s, 0.4 + s / 10, model="b") for s in (1, 2)]
    (found,) = paired(compare(runs))
    assert found.name == "b" or found.against == "b"
    assert abs(found.difference.mean) == pytest.approx(0.1)
    assert found.difference.std == pytest.approx(0.0, abs=1e-12)


def test_a_single_row_has_no_pair(tmp_path: Path) -> None:
    assert paired(compare([make_run(tmp_path / "a", 0, 0.5)])) == []

"""Rows of sweeps/joint-digits that select by a long tail's rules: shortened, run as a user does."""

from __future__ import annotations

from pathlib import Path

import pytest

from supcon_ext.recipe.resolved import dump, resolve
from supcon_ext.sweep.plan import load_sweep
from supcon_ext.tracking.results import read_metrics
from tests.fresh import supcon

SHORTER = ["stages.0.epochs=6", "stages.1.epochs=2", "evaluation=[classifier]"]


@pytest.mark.long
@pytest.mark.parametrize("row", ["rolt", "tabasco", "m_dyr_h", "sel_cl_bcl"])
def test_a_row_trains_and_selects_better_than_chance(row: str, tmp_path: Path) -> None:
    sweep = load_sweep("sweeps/joint-digits", ["seeds=[0]"])
    recipe = next(child.recipe for child in sweep.children if child.name == f"{row}-s0")
    (tmp_path / "row.yaml").write_text(dump(resolve(recipe)))
    process = supcon("run", "row.yaml", *SHORTER, cwd=tmp_path)
    assert process.wait() == 0, process.stderr
    metrics = read_metrics(next((tmp_path / "runs").iterdir()))
    right = 1 - 0.402  # of all labels
    assert metrics["selection/precision"][-1][1] > right + 0.1
    assert metrics["selection/recall"][-1][1] > 0.5
    weighs = [key for key in metrics if key.endswith("dynamic_bootstrap/bootstrapped")]
    assert bool(weighs) == (row == "m_dyr_h")
    assert all(0.05 < value < 0.95 for key in weighs for _, value in metrics[key])

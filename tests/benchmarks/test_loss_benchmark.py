"""The benchmark runs whole at small sizes and records what it should."""

from __future__ import annotations

import builtins
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.benchmarks.contenders import CONTENDERS, metric_learning
from tests.benchmarks.loss import largest_difference, main
from tests.benchmarks.timing import interleaved


def run(out: Path, *options: str) -> dict[str, Any]:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(
        main, [*options, "--out", str(out)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads((out / "loss.json").read_text())
    report["printed"] = result.output
    return report


def test_all_contenders_agree_and_are_recorded(tmp_path: Path) -> None:
    pytest.importorskip("pytorch_metric_learning")
    options = ["--sizes", "64,128", "--classes", "4", "--dim", "16", "--repeats", "1"]
    report = run(tmp_path, *options, "--no-memory")
    assert report["largest_difference"] < 1e-5
    assert {(row["contender"], row["rows"]) for row in report["results"]} == {
        (key, rows) for key in CONTENDERS for rows in (64, 128)
    }
    for row in report["results"]:
        assert not row["skipped"] and row["runs"] == 1
        assert row["exact_loss"] == pytest.approx(row["loss"], rel=1e-5)
        assert row["peak_bytes"] is None
    assert report["versions"]["torch"] and report["versions"]["pytorch-metric-learning"]
    assert report["machine"]["cores"] >= 1 and report["machine"]["memory_bytes"] > 0
    assert report["arguments"]["sizes"] == [64, 128] and report["arguments"]["repeats"] == 1
    assert (tmp_path / "loss.png").stat().st_size > 10_000
    for contender in CONTENDERS.values():
        assert contender.title in report["printed"]


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_peak_memory_tells_matrices_from_tiles(tmp_path: Path) -> None:
    options = [
        "--sizes",
        "2k",
        "--repeats",
        "1",
        "--contenders",
        "formula",
        "--contenders",
        "tiles",
    ]
    report = run(tmp_path, *options)
    formula, tiles = (row["peak_bytes"] for row in report["results"])
    assert formula > 4 * 4 * 2048**2  # a handful of float32 matrices of all pairs
    assert formula < 16 * 4 * 2048**2
    assert 0 < tiles < formula / 2


def test_what_would_not_fit_is_shown_as_skipped(tmp_path: Path) -> None:
    options = ["--sizes", "1k", "--repeats", "1", "--no-memory", "--memory-limit", "0.1"]
    options += ["--contenders", "formula", "--contenders", "tiles"]
    report = run(tmp_path, *options)
    formula, tiles = report["results"]
    assert "needs about" in formula["skipped"] and "seconds" not in formula
    assert not tiles["skipped"] and tiles["seconds"] > 0
    assert "skipped" in report["printed"]


def test_a_wrong_loss_would_show() -> None:
    row = {"contender": "formula", "rows": 8, "skipped": "", "loss": 2.2, "exact_loss": None}
    base = {"contender": "tiles", "rows": 8, "skipped": "", "loss": 2.0, "exact_loss": 2.0}
    assert largest_difference([row, base]) == pytest.approx(0.1)


def test_rounds_are_interleaved_and_bounded_in_time() -> None:
    order: list[str] = []
    passes = {
        "quick": lambda: order.append("quick"),
        "slow": lambda: (order.append("slow"), time.sleep(0.02)),
    }
    times = interleaved(passes, repeats=4, seconds=0.01)
    assert order == ["quick", "slow", "quick", "slow", "quick", "quick", "quick"]
    assert times["quick"].runs == 4 and times["slow"].runs == 1
    assert times["slow"].lower <= times["slow"].median <= times["slow"].upper


@pytest.mark.parametrize("sizes", ["7", "some", "0", "64,,128"])
def test_sizes_that_cannot_be(sizes: str) -> None:
    result = CliRunner().invoke(main, ["--sizes", sizes])
    assert result.exit_code == 2
    assert "Expected even numbers of views" in result.output


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pytorch_metric_learning"):
            raise ModuleNotFoundError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"supcon-ext\[test\]"):
        metric_learning()

"""The table of a run: what cannot hide a lost class stands first where the tail is long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from supcon_ext.evaluation.headline import BALANCED_ORDER, LONG_TAILED_ORDER, is_long_tailed
from supcon_ext.experiment import result_rows
from supcon_ext.tracking.results import read_results
from tests.fresh import supcon

RECIPE = """
name: tail
data:
  dataset: {kind: digits, size: 8}
  imbalance: IMBALANCE
model: {backbone: {kind: conv4, width: 2}, projector: {hidden: 8, dim: 8}}
stages: [{name: train, epochs: 1, batch_size: 256, objective: [cross_entropy]}]
evaluation: [classifier, knn]
tracking: {uri: none}
"""


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"train": 1.0, "test": 1.0}, False),
        ({"train": 1.5, "test": 1.2}, False),
        ({"train": 1.6, "test": 1.0}, True),
        ({"train": 1.1, "train_true": 20.0, "test": 1.0}, True),
        ({"train": 1.0, "test": 3.0}, True),
        ({"train": None}, True),
        (None, False),
    ],
)
def test_what_a_long_tail_is(factors: dict[str, Any] | None, expected: bool) -> None:
    results: dict[str, Any] = {} if factors is None else {"imbalance_factor": factors}
    metrics = dict.fromkeys(LONG_TAILED_ORDER, 0.5)
    results |= {"epochs": 1, "last": {"test": {"knn": metrics}}}
    assert is_long_tailed(results) == expected
    order = LONG_TAILED_ORDER if expected else BALANCED_ORDER
    assert list(result_rows(results)[0]) == ["evaluator", "network", *order, "ece"]
    assert sorted(LONG_TAILED_ORDER) == sorted(BALANCED_ORDER)
    assert LONG_TAILED_ORDER[:2] == ("balanced_accuracy", "worst_class")
    assert LONG_TAILED_ORDER[-1] == "accuracy"


@pytest.mark.parametrize(
    ("imbalance", "first"),
    [("{kind: exponential, factor: 20}", "balanced"), ("null", "accuracy")],
)
def test_as_it_is_printed(imbalance: str, first: str, tmp_path: Path) -> None:
    (tmp_path / "tail.yaml").write_text(RECIPE.replace("IMBALANCE", imbalance))
    done = supcon("run", "tail.yaml", cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line[:1] in "┏┃┡│└"]
    assert table and max(map(len, table)) <= 100
    names = [line.strip("┃").split("┃") for line in table if line.startswith("┃")]
    columns = list(zip(*names, strict=False))  # a name may go over two lines
    assert " ".join("".join(columns[2]).split()).startswith(first)
    results = read_results(next((tmp_path).rglob("results.json")).parent)
    factor = results["imbalance_factor"]
    assert (factor["train"] > 10) == (first == "balanced") and factor["test"] < 1.5
    assert "worst_class" in results["last"]["test"]["classifier"]

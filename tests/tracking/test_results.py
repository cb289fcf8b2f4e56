import json
import math

import numpy as np
import pytest
import torch

from supcon_ext.tracking import Journal, read_metrics, read_results, same_metrics, write_results
from supcon_ext.tracking.events import Metric, Tag
from supcon_ext.tracking.journal import JOURNAL_NAME


def journal(folder, points):
    folder.mkdir()
    written = Journal(folder / JOURNAL_NAME)
    written.append([Metric(key, value, step, 0) for key, step, value in points])
    written.append([Tag("a", "b", 0)])
    written.close()
    return folder


def test_results_round_trip(tmp_path):
    results = {
        "test/acc": np.float32(0.5),
        "per_class": np.array([0.25, 1.0]),
        "loss": torch.tensor(2.0),
        "empty": math.nan,
        "nested": {"n": 3, "names": ("a", "b")},
    }
    path = write_results(tmp_path, results)
    assert json.loads(path.read_text()) == read_results(tmp_path)
    assert read_results(tmp_path) == {
        "test/acc": 0.5,
        "per_class": [0.25, 1.0],
        "loss": 2.0,
        "empty": None,
        "nested": {"n": 3, "names": ["a", "b"]},
    }
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_results_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match="supcon resume"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ValueError, match="Expected JSON"):
        read_results(tmp_path)


def test_read_metrics(tmp_path):
    folder = journal(tmp_path / "a", [("x", 1, 0.5), ("y", 1, math.inf), ("x", 2, 0.25)])
    assert read_metrics(folder) == {"x": [(1, 0.5), (2, 0.25)], "y": [(1, math.inf)]}


def test_same_metrics_ignores_times_only(tmp_path):
    points = [("x", 1, 0.1), ("x", 2, math.nan), ("time/epoch", 1, 3.0)]
    a = journal(tmp_path / "a", points)
    b = journal(tmp_path / "b", [*points[:2], ("time/epoch", 1, 4.0), ("time/other", 1, 1.0)])
    assert same_metrics(a, b) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([("x", 1, math.nextafter(0.1, 1)), ("x", 2, 0.0)], "x: 0.1 at step 1 against"),
        ([("x", 1, 0.1), ("x", 2, -0.0)], "x: 0.0 at step 2 against -0.0"),
        ([("x", 1, 0.1), ("x", 3, 0.0)], "at step 2 against 0.0 at step 3"),
        ([("x", 1, 0.1)], "x: 2 points against 1"),
        ([("x", 1, 0.1), ("x", 2, 0.0), ("y", 1, 0.0)], "y: only in"),
    ],
)
def test_same_metrics_sees_every_difference(tmp_path, other, words):
    a = journal(tmp_path / "a", [("x", 1, 0.1), ("x", 2, 0.0)])
    b = journal(tmp_path / "b", other)
    differences = same_metrics(a, b)
    assert len(differences) == 1
    assert words in differences[0]
    assert len(same_metrics(b, a)) == 1

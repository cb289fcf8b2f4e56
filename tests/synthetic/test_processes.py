"""Synthetic samples are made, checked and sifted by the first process of a run, for all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from supcon_ext.objectives.contrastive import DIAGNOSED
from supcon_ext.tracking.results import read_metrics
from supcon_ext.training.checkpoint import LAST, load_checkpoint
from tests.experiment.launched import torchrun
from tests.experiment.parallel import recipe
from tests.synthetic.remembering import SEEN

PLUGINS = ["tests.experiment.parallel", "tests.experiment.members", "tests.synthetic.remembering"]
SOURCES = [
    {"kind": "generated", "generator": "remembering", "per_class": 40},
    {"kind": "few_made", "filters": ["remembers"]},
]


def run(folder: Path, processes: int, sources: Any) -> list[Any]:
    folder.mkdir()
    made = recipe(devices=processes)
    made["plugins"] = PLUGINS
    made["data"] |= {"dataset": "few_digits", "validation": 0, "synthetic": sources}
    made["evaluation"] = ["classifier"]
    made["tracking"]["folder"] = "runs"
    (stage,) = made["stages"]
    stage |= {"batch_size": 40, "sampler": {"kind": "with_synthetic", "share": 0.5}}
    stage["objective"] = [{"contrastive": {"selector": "synthetic_positives"}}, "cross_entropy"]
    (folder / "mine.yaml").write_text(yaml.safe_dump(made))
    return torchrun(processes, "run", "mine.yaml", cwd=folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.long
def test_two_processes_have_the_samples_and_the_numbers_of_one(tmp_path: Path) -> None:
    runs = {}
    for count in (1, 2):
        folder = tmp_path / f"of{count}"
        for process in run(folder, count, SOURCES):
            assert process.wait() == 0, process.stderr
        (runs[count],) = (folder / "runs").iterdir()
        for file in (tmp_path / "cache").rglob("*.npz"):
            file.unlink()  # else the second run would take what the first has made
        seen = [json.loads(line) for line in (folder / SEEN).read_text().splitlines()]
        assert [(rank, what == "filter") for rank, what in seen] == [("0", False), ("0", True)]
    one, two = (read_metrics(runs[count]) for count in (1, 2))
    assert one.keys() == two.keys()
    for name in one:
        of_one_process = name.rpartition("/")[2] in DIAGNOSED
        if not name.startswith("time/") and not of_one_process:
            values = [value for _, value in one[name]]
            assert [value for _, value in two[name]] == pytest.approx(values, rel=1e-4, abs=1e-4)
    states = [load_checkpoint(runs[count] / "checkpoints" / LAST)["network"] for count in (1, 2)]
    for name, value in states[0].items():
        assert (states[1][name] - value).abs().max() < 1e-5, name
    for folder in runs.values():
        (_, sifted) = json.loads((folder / "synthetic-report.json").read_text())["sources"]
        assert (sifted["filters"]["given"], sifted["filters"]["kept"]) == (27, 14)


def test_a_refusal_ends_every_process_and_is_told_once(tmp_path: Path) -> None:
    processes = run(tmp_path / "wrong", 2, [{"kind": "class_folders", "root": "nowhere"}])
    assert [process.wait() for process in processes] == [2, 2]
    told = [process.stderr for process in processes]
    assert "nowhere" in told[0] and "Traceback" not in told[0] and told[1] == ""


def test_samples_that_cannot_be_sent_are_told_of(tmp_path: Path) -> None:
    processes = run(tmp_path / "wrong", 2, ["not_to_be_sent"])
    assert [process.wait() for process in processes] == [2, 2]
    assert "Expected what can be sent from the first process" in processes[0].stderr

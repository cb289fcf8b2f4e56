"""A run in two processes records the numbers of a run in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from supcon_ext.objectives.contrastive import DIAGNOSED
from supcon_ext.tracking.results import read_metrics, read_results
from supcon_ext.training.checkpoint import load_checkpoint


def launch(folder: Path, processes: int) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [*launcher, "tests.experiment.parallel", str(folder), str(processes)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_two_processes_record_the_numbers_of_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    launch(one, 1)
    launch(two, 2)
    ours, theirs = read_metrics(two), read_metrics(one)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        of_one_process = name.rpartition("/")[2] in DIAGNOSED
        if not name.startswith("time/") and not of_one_process:
            assert [s for s, _ in ours[name]] == [s for s, _ in theirs[name]], name
            values = [v for _, v in ours[name]]
            assert values == pytest.approx([v for _, v in theirs[name]], rel=1e-4, abs=1e-4), name
    first = load_checkpoint(one / "checkpoints" / "last.pt")
    second = load_checkpoint(two / "checkpoints" / "last.pt")
    for name, value in first["network"].items():
        torch.testing.assert_close(second["network"][name], value, rtol=1e-4, atol=1e-5)
    keys = "terms.contrastive.queue.keys"
    torch.testing.assert_close(second["objective"][keys].sum(0), first["objective"][keys].sum(0))
    assert len(second["randomness"]) == 2
    assert read_results(one)["last"].keys() == read_results(two)["last"].keys()

"""The comparer finds the step in which a change begins to tell, and nothing where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.checkouts.compare import main

ROOT = Path(__file__).parents[2]
QUICK = (
    "data.dataset.size=8",
    "model.backbone={kind: conv4, width: 2}",
    "model.projector={hidden: 8, dim: 4}",
    "stages.train.epochs=2",
    "stages.train.batch_size=256",
    "stages.train.views.policy=weak",
    "stages.train.schedule.warmup_epochs=0",
    "evaluation=[knn]",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    for package in ("supcon_ext", "data_tools"):
        shutil.copytree(ROOT / package, target / package)
    shutil.copytree(ROOT / "recipes", target / "recipes")
    return target


@pytest.mark.long
@pytest.mark.timeout(900)  # seven processes that import everything anew
def test_equal_checkouts_and_one_that_differs_from_the_second_epoch_on(copy: Path) -> None:
    arguments = [str(ROOT), str(copy), "supcon/digits", *QUICK]
    same = CliRunner().invoke(main, [*arguments, "--stop", "3"])
    assert same.exit_code == 0, same.output
    assert same.output.splitlines()[-1].endswith("| 3 | 8 | none |")

    cosine = copy / "supcon_ext" / "schedules" / "cosine.py"
    text = cosine.read_text()
    assert "math.cos(" in text
    cosine.write_text(text.replace("math.cos(", "1e-6 * (position >= 1) + math.cos("))
    other = CliRunner().invoke(main, arguments)
    assert other.exit_code == 1, other.output
    assert "| 8 | step 5: weights" in other.output.splitlines()[-1]


@pytest.mark.long
def test_times_of_two_checkouts_that_are_one() -> None:
    from tests.checkouts.times import main as times

    keys = [*QUICK, "stages.train.epochs=3", "--rounds", "1"]
    found = CliRunner().invoke(times, [str(ROOT), str(ROOT), "supcon/digits", *keys])
    assert found.exit_code == 0, found.output
    assert "2 epochs" in found.output.splitlines()[-1]

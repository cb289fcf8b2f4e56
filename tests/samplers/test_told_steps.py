"""The steps that a run tells of a stage are those of its first epoch, whatever the sampler."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from supcon_ext.recipe.families import load_families
from supcon_ext.tracking.results import read_metrics
from tests.experiment.members import given, members, recipe, stage
from tests.fresh import supcon


def test_the_steps_of_every_sampler_are_told(tmp_path: Path) -> None:
    load_families()
    names = members("sampler")
    stages = [
        stage(0, "label", "uniform", name=name, epochs=1, sampler=given("sampler", name))
        for name in names
    ]
    made = recipe(stages)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(made))
    done = supcon("run", "mine.yaml", cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    told = re.findall(r"^(\w+)  1 epoch of (\d+) step", done.stderr, re.MULTILINE)
    (run,) = (tmp_path / "runs").iterdir()
    ends = [step for step, _ in read_metrics(run)["train/loss"]]
    steps = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    assert [(name, int(number)) for name, number in told] == list(zip(names, steps, strict=True))
    assert len(set(steps)) > 1

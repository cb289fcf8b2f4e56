"""Every method, killed in every way, ends with the numbers of a run that nobody touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiment.kills import METHODS, killed_run, kills_of, whole_run


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", METHODS)
def test_killed_in_every_way(method: str, tmp_path: Path) -> None:
    whole = whole_run(method, tmp_path / "whole")
    for number, kill in enumerate(kills_of(method)):
        made = killed_run(method, kill, tmp_path / str(number), whole)
        assert made.differences == (), kill

"""Every method, killed in one way and another, ends with the numbers of a run nobody touched.

Each method has a quarter of the ways, so that each way meets three methods; all of both are in
``python -m tests.experiment.kills``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiment.kills import METHODS, killed_run, kills_of, whole_run


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", METHODS)
def test_killed_in_a_quarter_of_the_ways(method: str, tmp_path: Path) -> None:
    whole = whole_run(method, tmp_path / "whole")
    ways = kills_of(method)[list(METHODS).index(method) % 4 :: 4]
    for number, kill in enumerate(ways):
        made = killed_run(method, kill, tmp_path / str(number), whole)
        assert made.differences == (), kill

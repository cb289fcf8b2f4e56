"""What ``pytest -m long`` runs is what ``pytest`` leaves out, and nothing more."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.long
def test_ci_runs_the_long_tests_after_the_others() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "-m 'not long'" in settings["addopts"]
    ci = (ROOT / ".ci" / "run").read_text()
    first, then = 'bash -euo pipefail -c "$command"', "pytest -n auto --dist worksteal -m long\n"
    assert ci.index(first) < ci.index(then)  # and a red one ends it

    both = "tests/experiment/test_signals.py"

    def collected(*more: str) -> set[str]:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", both, *more]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return {line for line in done.stdout.splitlines() if re.match(r"tests/.*::", line)}

    short, long = collected(), collected("-m", "long")
    assert short and long
    assert not short & long

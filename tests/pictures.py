"""Figures left undrawn, which take half the time of a run of seconds.

They are made, with all their axes and texts, and written as one point. Where a test looks at
figures, or follows a user's first steps, they are drawn: :data:`DRAWN`.
"""

from __future__ import annotations

import base64
import os
from typing import Any

VARIABLE = "TESTS_DRAW_NO_FIGURES"
"""Set in the environment of processes that do not draw either."""
DRAWN = (
    "tests/benchmarks/",
    "tests/compare/",
    "tests/evaluation/",
    "tests/experiment/test_resume.py",
    "tests/experiment/test_selection_watch.py",
    "tests/report/",
    "tests/test_readme.py",
    "tests/use/test_evaluate.py",
)
POINT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)


def write_a_point(figure: Any, file: Any, **_: Any) -> None:
    """What stands in for ``Figure.savefig``."""
    with open(file, "wb") as written:
        written.write(POINT)


def as_the_parent() -> None:
    """In a process started by a test: draw if the test does."""
    if VARIABLE in os.environ:
        from matplotlib.figure import Figure

        Figure.savefig = write_a_point  # type: ignore[method-assign,assignment]

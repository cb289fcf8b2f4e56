"""A browser for the tests of the page, and no verdict computed twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from supcon_ext.audit import label_issues, two_witnesses, votes
from tests.browser import browser as browser
from tests.once import once


@pytest.fixture(autouse=True, scope="session")
def verdicts_are_computed_once() -> Iterator[None]:
    """Many tests audit the same run."""
    with pytest.MonkeyPatch.context() as patch:
        judge = once(two_witnesses.judge)
        for module in (votes, label_issues):
            patch.setattr(module, "judge", judge)
        yield

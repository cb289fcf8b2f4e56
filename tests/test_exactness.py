"""docs/exactness.md: every member stands in it, in order, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from data_tools.imbalance.base import imbalance
from data_tools.noise.base import noise
from data_tools.registry import Registry
from supcon_ext.objectives.base import term
from supcon_ext.samplers.base import sampler
from supcon_ext.selectors.base import selector
from supcon_ext.weightings.base import weighting

ROOT = Path(__file__).parent.parent
COLUMNS = ["family", "method", "compared with", "inputs", "largest difference"]
COLUMNS += ["choice and reason", "test"]
OWN = "the toolkit's own"
FAMILIES: list[Registry[object]] = [imbalance, noise, sampler, selector, term, weighting]


def table() -> list[dict[str, str]]:
    """The rows of the page's first table."""
    lines = (ROOT / "docs" / "exactness.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| family |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows[0] == COLUMNS
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows[2:]]


ROWS = table()
MEMBERS = [(family.family, name) for family in FAMILIES for name in family.names()]


@pytest.mark.parametrize(("family", "name"), MEMBERS)
def test_every_member_stands_in_the_table(family: str, name: str) -> None:
    assert [row for row in ROWS if row["family"] == family and row["method"] == f"`{name}`"]


def test_no_row_is_of_a_member_that_is_gone_and_rows_are_in_order() -> None:
    """Families without a registry, such as the loss, are sorted as well."""
    known = {family.family for family in FAMILIES}
    told = {(row["family"], row["method"].strip("`")) for row in ROWS if row["family"] in known}
    assert told == set(MEMBERS)
    families = [row["family"] for row in ROWS]
    assert families == sorted(families)
    for family in known:
        methods = [row["method"].strip("`") for row in ROWS if row["family"] == family]
        assert methods == sorted(methods)


@cache
def functions(path: Path) -> set[str]:
    """The names of a test file's functions."""
    body = ast.parse(path.read_text()).body
    return {part.name for part in body if isinstance(part, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['family']}-{row['method']}")
def test_what_a_row_names_exists(row: dict[str, str]) -> None:
    """A source has a commit or a version; its test is one function or more, else a file."""
    assert all(row.values())
    published = row["compared with"] != OWN
    if published and row["compared with"] != "the same":
        assert re.search(r"\b[0-9a-f]{7}\b|\d+\.\d+\.\d+", row["compared with"])
    for test in row["test"].split(", "):
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), path
        assert bool(function) or not published
        assert not function or function in functions(ROOT / path), test

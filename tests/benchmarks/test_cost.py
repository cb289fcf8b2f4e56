"""The benchmark of what parts cost measures every member, and the site shows what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_tools.registry import family
from supcon_ext.recipe.families import load_families
from tests.benchmarks import cost


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_member_is_measured() -> None:
    sizes = cost.Sizes(samples=120, batch=12, dim=8, side=8)
    report = cost.measured(sizes, [3], repeats=1, seconds=0)
    json.dumps(report)
    found = {(row["family"], row["name"]) for row in report["steps"]}
    every = {(each, name) for each in cost.FAMILIES for name in family(each).names()}
    modules = {of: family(of[0]).get(of[1]).target.__module__ for of in every}
    own = {of for of, module in modules.items() if module.startswith("supcon_ext")}
    assert found == own | {cost.BARE}
    assert {tuple(name.split("/")) for name in report["on_tokens"]} == cost.ON_TOKENS <= own
    assert {"gmm", "confident_pairs", "two_witnesses"} <= set(report["refreshes"])
    assert not {"label", "instance"} & set(report["refreshes"])
    times = {(row["family"], row["name"]): row for row in report["steps"]}
    plain, bare = times[cost.PLAIN]["step"]["median"], times[cost.BARE]["step"]["median"]
    for (kind, name), row in times.items():
        base = bare if kind in ("term", "network") else plain
        base = 0 if (kind, name) in cost.ON_TOKENS else base
        assert row["added"] == pytest.approx(row["step"]["median"] - base)


def test_what_the_site_shows_is_of_members_that_there_are() -> None:
    report = json.loads(cost.COSTS.read_text())
    assert report["machine"]["cpu"] and report["versions"]["torch"]
    for row in report["steps"]:
        of = row["family"], row["name"]
        assert of == cost.BARE or row["name"] in family(row["family"]).names()
        assert 0 < row["step"]["lower"] <= row["step"]["median"] <= row["step"]["upper"]
    assert {row["classes"] for row in report["steps"]} == {10, 100}


def test_each_family_has_the_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(cost.COSTS.parent / "_site"))
    import measured_costs

    load_families()
    for each in cost.FAMILIES:
        columns = measured_costs.columns_of(each)
        assert len(columns) == 2 + (each == "selector")
        for head, told in columns.items():
            cells = {name: told(name) for name in family(each).names()}
            measured = [text for text in cells.values() if any(letter.isdigit() for letter in text)]
            assert len(measured) > len(cells) / 2, head
            assert all(text for text in cells.values())
        assert "python -m tests.benchmarks.cost" in measured_costs.how_measured(each)
    told = {**measured_costs.report(), "on_tokens": {"term/ibot": "a transformer"}}
    monkeypatch.setattr(measured_costs, "report", lambda: told)
    assert "of `ibot` all of its step, on a transformer" in measured_costs.how_measured("term")
    assert "ibot" not in measured_costs.how_measured("selector")
    assert measured_costs.columns_of("policy") == {}

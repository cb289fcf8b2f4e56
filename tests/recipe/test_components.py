"""The catalogue of parts is read off the code."""

from __future__ import annotations

import pytest

from data_tools.registry import family
from supcon_ext.recipe.components import list_components
from supcon_ext.recipe.families import FAMILIES


def test_every_part_of_every_family_has_a_summary() -> None:
    found = list_components()
    assert {(c.family, c.name) for c in found} == {
        (name, entry.name) for name in FAMILIES for entry in family(name)
    }
    assert all(component.summary for component in found)


def test_parameters_with_type_bounds_default_and_note() -> None:
    noise = {component.name: component for component in list_components("noise")}
    rate, redraw = noise["symmetric"].parameters[:2]
    assert (rate.name, rate.kind, rate.required) == ("rate", "number >= 0 <= 1", True)
    assert rate.note
    assert (redraw.kind, redraw.default) == ("inclusive | exclusive", "inclusive")
    terms = {component.name: component for component in list_components("term")}
    kinds = {p.name: p.kind for p in terms["contrastive"].parameters}
    assert kinds["selector"] == "selector"
    assert kinds["views"] == "text or null"


def test_a_family_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"Expected one of dataset, .* Did you mean `selector`\?"):
        list_components("selectors")

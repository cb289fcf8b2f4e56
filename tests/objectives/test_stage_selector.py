"""Terms that go by the stage's selector: without the right one a recipe is refused."""

from __future__ import annotations

from typing import Any

import pytest

from supcon_ext.recipe import RecipeError, parse_recipe


def recipe(*objective: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "data": {"dataset": "digits"},
        "model": {"backbone": "conv4"},
        "stages": [{"name": "train", "epochs": 1, "objective": list(objective)}],
        "evaluation": [],
    }


POSTERIOR = {"cross_entropy": {"target": "posterior"}}
BMM = {"contrastive": {"selector": {"kind": "bmm", "soft": True}}}
BALANCED = {"contrastive": {"selector": {"kind": "balance", "inner": "rolt"}}}


@pytest.mark.parametrize(
    "objective",
    [
        (BMM, "dynamic_bootstrap"),
        ("contrastive", "dynamic_bootstrap"),
        ({"contrastive": {"selector": "rolt"}}, POSTERIOR),
        (POSTERIOR, BALANCED),
        ("cross_entropy",),
    ],
)
def test_what_fits_is_read(objective: tuple[Any, ...]) -> None:
    parse_recipe(recipe(*objective))


@pytest.mark.parametrize(
    ("objective", "place", "message"),
    [
        (("dynamic_bootstrap",), "stages.0.objective.0", "term with a selector.*none.*soft: true"),
        (("similarity", "dynamic_bootstrap"), "stages.0.objective.1", "term with a selector"),
        ((POSTERIOR,), "stages.0.objective.0.cross_entropy.target", "gives a posterior.*got none"),
        ((BMM, POSTERIOR), "stages.0.objective.1.cross_entropy.target", "got Bmm.*rolt"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    objective: tuple[Any, ...], place: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=f"(?s){message}") as caught:
        parse_recipe(recipe(*objective))
    assert place in str(caught.value)


@pytest.mark.parametrize("broken", ["nonsense", {"kind": "rolt", "threshold": 3}])
def test_a_selector_that_is_wrong_is_reported_alone(broken: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe({"contrastive": {"selector": broken}}, POSTERIOR))
    assert "posterior" not in str(caught.value)

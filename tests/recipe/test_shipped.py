"""Every recipe that ships is right, says what it is, and survives being written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from supcon_ext.recipe import (
    list_recipes,
    load_recipe,
    parse_recipe,
    recipes_root,
    resolve,
    to_yaml,
)
from supcon_ext.recipe.library import RecipeInfo
from supcon_ext.recipe.reading import read_text
from supcon_ext.sweep import load_sweep

SHIPPED = list_recipes()


@pytest.mark.parametrize("info", SHIPPED, ids=lambda info: info.name)
def test_it_loads_and_is_a_fixed_point(info: RecipeInfo) -> None:
    recipes = (
        [load_recipe(info.path)]
        if not info.is_sweep
        else [c.recipe for c in load_sweep(info.path, ["seeds=[0]"]).children]  # seeds are alike
    )
    assert recipes
    for recipe in recipes:
        again = parse_recipe(read_text(to_yaml(recipe)).value)
        assert again == recipe
        assert resolve(again) == resolve(recipe)


@pytest.mark.parametrize("info", SHIPPED, ids=lambda info: info.name)
def test_its_head_says_what_it_is(info: RecipeInfo) -> None:
    assert info.title and info.description and info.cost


def test_they_are_the_files_of_the_repository() -> None:
    root = recipes_root()
    assert root == Path(__file__).parents[2] / "recipes" or root.name == "_recipes"
    assert {info.path for info in SHIPPED} == set(root.rglob("*.yaml"))
    assert any(info.name == "quickstart" for info in SHIPPED)

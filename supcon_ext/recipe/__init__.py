"""Recipes: what one says, how a file becomes one, and what is said when it does not."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supcon_ext.recipe.editor import json_schema
    from supcon_ext.recipe.library import copy_recipe, find_recipe, list_recipes, recipes_root
    from supcon_ext.recipe.load import load_recipe, parse_recipe
    from supcon_ext.recipe.problems import Problem, RecipeError
    from supcon_ext.recipe.resolved import recipe_hash, resolve, to_yaml
    from supcon_ext.recipe.schema import Recipe

_HOMES = {
    "Problem": "problems",
    "Recipe": "schema",
    "RecipeError": "problems",
    "copy_recipe": "library",
    "find_recipe": "library",
    "json_schema": "editor",
    "list_recipes": "library",
    "load_recipe": "load",
    "parse_recipe": "load",
    "recipe_hash": "resolved",
    "recipes_root": "library",
    "resolve": "resolved",
    "to_yaml": "resolved",
}

__all__ = [
    "Problem",
    "Recipe",
    "RecipeError",
    "copy_recipe",
    "find_recipe",
    "json_schema",
    "list_recipes",
    "load_recipe",
    "parse_recipe",
    "recipe_hash",
    "recipes_root",
    "resolve",
    "to_yaml",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that listing recipes loads no pydantic."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""Recipes: what one says, how a file becomes one, and what is said when it does not.

* ``schema`` says every key; ``families`` and ``part_fields`` how it names registered parts.
* ``reading`` makes YAML or Python's values a document, within the ``limits``; ``library`` finds it.
* ``layers`` lays documents over each other, ``overrides`` the command line over them.
* ``load`` does all that and checks the outcome: begin there.
* ``validation_errors`` puts pydantic's errors in words, ``unknown_keys`` finds what was meant,
  ``cross_checks`` asks parts about the recipe around them; ``problems`` is what they come to.
* ``schema_walk`` shows a document beside its schema to all of these.
* ``short_stages`` warns; ``resolved`` writes a recipe out and hashes it, ``show`` with origins.
* ``components`` and ``editor`` tell people and editors what a recipe may say.
"""

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

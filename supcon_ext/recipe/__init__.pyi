# Every public name and the module that has it, read when the package is imported.

from .editor import json_schema as json_schema
from .library import copy_recipe as copy_recipe
from .library import find_recipe as find_recipe
from .library import list_recipes as list_recipes
from .library import recipes_root as recipes_root
from .load import load_recipe as load_recipe
from .load import parse_recipe as parse_recipe
from .problems import Problem as Problem
from .problems import RecipeError as RecipeError
from .resolved import recipe_hash as recipe_hash
from .resolved import resolve as resolve
from .resolved import to_yaml as to_yaml
from .schema import Recipe as Recipe

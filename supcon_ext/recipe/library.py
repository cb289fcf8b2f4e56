"""The recipes that ship: where they are, what they are called, and copies to edit.

Listing reads only the head of each file, without the schema, so that it is quick.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path

import yaml

from data_tools.whole_file import write_whole
from supcon_ext.meanings import (
    Meaning,
    SeveralMeaningsError,
    as_path,
    holds,
    is_path,
    one_meaning,
)
from supcon_ext.recipe.limits import LARGEST_TEXT
from supcon_ext.recipe.problems import Problem, RecipeError, nearest

_HEAD_KEYS = ("name", "description", "plugins", "extends")
_NOTE = re.compile(r"^#\s*(cost|result):\s*(.*\S)", re.MULTILINE)
_EXTENDS = re.compile(r"^(extends:\s*)([^\s#]+)", re.MULTILINE)
_TOP_KEY = re.compile(r"^([A-Za-z_]\w*):", re.MULTILINE)


@dataclass(frozen=True)
class RecipeInfo:
    """A recipe file as lists show it.

    Attributes:
        name: What commands call it: its path below the recipes' folder, without the ending.
        title: Its ``name:``.
        description: First line of its description.
        cost: The comment ``# cost:``, if any.
        result: The comment ``# result:``, if any.
        is_sweep: Whether it is a sweep, not a recipe.
        path: Where it is.
    """

    name: str
    title: str
    description: str
    cost: str
    result: str
    is_sweep: bool
    path: Path


def recipes_root() -> Path:
    """The folder of shipped recipes: inside the installed package, or beside it in a checkout."""
    inside = Path(str(files("supcon_ext"))) / "_recipes"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "recipes"


def list_recipes() -> list[RecipeInfo]:
    """Every shipped recipe and sweep, in the order of their names."""
    root = recipes_root()
    return [_info(path, root) for path in sorted(root.rglob("*.yaml"))]


def _info(path: Path, root: Path) -> RecipeInfo:
    text = path.read_text(encoding="utf-8")
    head = _head(text)
    description = str(head.get("description") or "").strip()
    notes = dict(_NOTE.findall(text))
    return RecipeInfo(
        name=path.relative_to(root).with_suffix("").as_posix(),
        title=str(head.get("name") or ""),
        description=description.splitlines()[0] if description else "",
        cost=notes.get("cost", ""),
        result=notes.get("result", ""),
        is_sweep="grid" in _TOP_KEY.findall(text),
        path=path,
    )


@lru_cache(maxsize=512)  # every name that is looked up lists all
def _head(text: str) -> Mapping[str, object]:
    """The keys at a file's top that say what it is; empty where they are no YAML."""
    end = next((m.start() for m in _TOP_KEY.finditer(text) if m[1] not in _HEAD_KEYS), len(text))
    try:
        head = yaml.safe_load(text[:end])
    except yaml.YAMLError:
        return {}
    return head if isinstance(head, dict) else {}


def is_sweep(path: Path) -> bool:
    """Whether a file is a sweep: it has a top-level key ``grid``, and can be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "grid" in _TOP_KEY.findall(file.read(LARGEST_TEXT))
    except OSError:
        return False


def find_recipe(name: str | os.PathLike[str], near: Path | None = None) -> Path:
    """The file that a path or a shipped recipe's name stands for.

    Args:
        name: A path, or a shipped name: the path below the recipes' folder without the ending
            (``supcon/cifar10``), the recipe's own ``name``, or, where only one recipe has it and
            nothing has it for a name, the last part of the path.
        near: Folder that a relative path starts from; the working directory if None.

    Raises:
        RecipeError: There is no such file, or several; the message lists names that are near.
    """
    try:
        found = one_meaning(name, recipe_meanings(name, near))
    except SeveralMeaningsError as error:
        problem = Problem(str(name), None, "", error.message, error.suggestion)
        raise RecipeError([problem]) from None
    if found is not None:
        return found.value
    path = (near or Path()) / Path(name).expanduser()
    raise RecipeError([_not_found(str(name), path, [info.name for info in list_recipes()])])


def recipe_meanings(name: str | os.PathLike[str], near: Path | None = None) -> list[Meaning[Path]]:
    """Every recipe that a text can mean: the file at that path, and those that ship.

    Args:
        name: See :func:`find_recipe`; a ``Path`` at which there is a file is that file.
        near: As there.
    """
    path = (near or Path()) / Path(name).expanduser()
    found = []
    if holds(Path.is_file, path):
        found.append(Meaning("recipe", as_path(name), path))
        if isinstance(name, Path):
            return found
    if is_path(name):
        return found
    shipped, wanted = list_recipes(), os.fspath(name)
    for info in shipped:
        if wanted in (info.name, info.title):
            said = str(info.path) if wanted == info.name else info.name
            found.append(Meaning("recipe", said, info.path))
        elif Path(info.name).name == wanted:
            found.append(Meaning("recipe", info.name, info.path, whole=False))
    return found


def _not_found(name: str, path: Path, shipped: list[str]) -> Problem:
    if os.path.isdir(path):
        return Problem(name, None, "", "Expected a recipe file, but this is a folder.")
    if os.path.exists(path):
        return Problem(name, None, "", "Expected a recipe file, but this is no regular file.")
    folder = path.parent
    try:
        beside = [str(file) for file in sorted(folder.glob("*.y*ml"))]
    except (OSError, ValueError):
        beside = []
    near = _near_names(name, [*shipped, *beside])
    if near:
        suggestion = f"Did you mean {' or '.join(f'`{n}`' for n in near)}?"
    else:
        suggestion = "`supcon recipes` lists those that ship."
    message = (
        "Expected a recipe file or the name of a shipped recipe, but there is none of this name."
    )
    return Problem(name, None, "", message, suggestion)


def _near_names(name: str, names: Iterable[str]) -> list[str]:
    """Up to three names that are like ``name``, as a whole or in their last part."""
    stem = Path(name).stem
    left, found = list(names), list[str]()
    while len(found) < 3:
        by_stem = {Path(known).stem: known for known in reversed(left)}
        near = nearest(name, left, 0.7) or by_stem.get(nearest(stem, by_stem, 0.7) or "")
        if near is None:
            break
        found.append(near)
        left.remove(near)
    return found


def copy_recipe(name: str, dest: Path | None = None, force: bool = False) -> Path:
    """Copy a shipped recipe to edit.

    Args:
        name: See :func:`find_recipe`.
        dest: File or folder to copy to; the working directory if None.
        force: Whether an existing file is overwritten.

    Returns:
        The new file.

    Raises:
        RecipeError: There is no such recipe.
        ValueError: The file exists already.
    """
    source = find_recipe(name)
    dest = Path() if dest is None else dest
    target = dest / source.name if dest.is_dir() else dest
    if target.exists() and not force:
        raise ValueError(
            f"Expected a new file, but {target} exists. Try: --force, or another name."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, _EXTENDS.sub(partial(_shipped_name, source), source.read_text("utf-8")))
    return target


def _shipped_name(source: Path, line: re.Match[str]) -> str:
    """An ``extends`` line with a shipped name in place of a path that is true in the old place."""
    base, root = (source.parent / line[2]).resolve(), recipes_root().resolve()
    if not (base.is_file() and base.is_relative_to(root)):
        return line[0]
    return line[1] + base.relative_to(root).with_suffix("").as_posix()

"""A sweep file: a recipe, a grid of variants and seeds, made into checked recipes.

name: noise-rates
recipe: supcon/digits                # a file, a shipped name, or a recipe written here
grid:
  method:                            # named variants: each is laid over the recipe
    cross_entropy: {stages: [...]}
    supcon: {stages: [...]}
  data.noise.rate: [0.2, 0.4]        # or values of one key
seeds: [0, 1, 2]
seed_keys: [seed, data.noise.seed]   # which keys a seed sets; `seed` alone if left out
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from supcon_ext.recipe.layers import Layers, merge
from supcon_ext.recipe.library import find_recipe
from supcon_ext.recipe.load import check, load_layers
from supcon_ext.recipe.overrides import apply_overrides, dotted
from supcon_ext.recipe.problems import Problem, RecipeError
from supcon_ext.recipe.reading import Document, KeyPath, read_file
from supcon_ext.recipe.resolved import recipe_hash
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.wording import findings


class SweepFile(BaseModel):
    """What a sweep file may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    description: str = ""
    recipe: str | dict[str, Any]
    grid: Annotated[dict[str, dict[str, dict[str, Any] | None] | list[Any]], Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    seed_keys: Annotated[list[str], Field(min_length=1)] = ["seed"]


@dataclass(frozen=True)
class Child:
    """One run of a sweep.

    Attributes:
        name: Of its folder, unique in the sweep.
        variant: Its place on each axis of the grid.
        seed: Its seed.
        recipe: What it runs.
    """

    name: str
    variant: Mapping[str, Any]
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class Sweep:
    """A checked sweep.

    Attributes:
        name: Of the sweep.
        digest: Hash of all its recipes.
        children: Its runs.
    """

    name: str
    digest: str
    children: Sequence[Child]


def load_sweep(source: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Sweep:
    """Load a sweep and check every recipe in it.

    Args:
        source: A file, or the name of a shipped sweep.
        overrides: ``a.b.c=value`` laid over every recipe; ``seeds=[0, 1]`` sets the sweep's own
            seeds.

    Raises:
        RecipeError: Everything that is wrong, at once.
    """
    path = find_recipe(source)
    document = read_file(path)
    for_sweep = [text for text in overrides if text.partition("=")[0].strip() == "seeds"]
    for_recipes = [text for text in overrides if text not in for_sweep]
    for text in for_sweep:
        document.value["seeds"] = yaml.safe_load(text.partition("=")[2])
    faults = [Problem(str(path), f.line, dotted(f.path), f.message) for f in document.faults]
    try:
        file = SweepFile.model_validate(document.value)
    except ValidationError as error:
        found = findings(error.errors(include_url=False), document.value)
        problems = [_problem(path, document, f.path, f.message) for f in found]
        raise RecipeError(faults + problems) from None
    if faults:
        raise RecipeError(faults)
    base, wrong = _base(file, path, document)
    children: list[Child] = []
    problems = list(wrong)
    for variant, seed in itertools.product(_variants(file), file.seeds):
        try:
            children.append(_child(file, path, document, base, variant, seed, for_recipes))
        except RecipeError as error:
            problems += [p for p in error.problems if p not in problems]
    if problems:
        raise RecipeError(problems)
    text = json.dumps([recipe_hash(child.recipe) for child in children])
    return Sweep(file.name, hashlib.sha256(text.encode()).hexdigest(), children)


def _problem(path: Path, document: Document, place: KeyPath, message: str) -> Problem:
    lines = [document.lines.get(place[:n]) for n in range(len(place), -1, -1)]
    line = next((line for line in lines if line is not None), None)
    return Problem(str(path), line, dotted(place), message)


def _base(file: SweepFile, path: Path, document: Document) -> tuple[Layers, list[Problem]]:
    if isinstance(file.recipe, str):
        near = path.parent / file.recipe
        return load_layers(near if near.is_file() else file.recipe)
    return _part(document, ("recipe",), path), []


def _part(document: Document, place: KeyPath, path: Path) -> Layers:
    """What a sweep file says at a place, as a layer of a recipe."""
    value: Any = document.value
    for key in place:
        value = value[key]
    depth = len(place)
    lines = {key[depth:]: line for key, line in document.lines.items() if key[:depth] == place}
    return Layers.of_document(Document(value or {}, lines, []), "file", str(path))


def _variants(file: SweepFile) -> list[dict[str, Any]]:
    axes = [[(axis, choice) for choice in choices] for axis, choices in file.grid.items()]
    return [dict(point) for point in itertools.product(*axes)]


def _child(
    file: SweepFile,
    path: Path,
    document: Document,
    base: Layers,
    variant: Mapping[str, Any],
    seed: int,
    overrides: Sequence[str],
) -> Child:
    layers, texts = base, []
    for axis, choice in variant.items():
        if isinstance(file.grid[axis], dict):
            layers = merge(layers, _part(document, ("grid", axis, choice), path))
        else:
            texts.append(f"{axis}={json.dumps(choice)}")
    texts += [f"{key}={seed}" for key in file.seed_keys]
    label = "-".join(_slug(choice) for choice in variant.values())
    texts.insert(0, f"name={file.name}-{label}")
    layers, problems = apply_overrides(layers, [*texts, *overrides])
    return Child(f"{label}-s{seed}", dict(variant), seed, check(layers, problems))


def _slug(choice: Any) -> str:
    text = choice if isinstance(choice, str) else json.dumps(choice)
    return re.sub(r"[^a-z0-9._]+", "_", text.lower()).strip("_") or "none"

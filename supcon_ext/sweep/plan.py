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
jobs: 2                              # runs at a time that suit them; 1 if left out
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from supcon_ext.plugin_sources import plugin_digest
from supcon_ext.recipe.layers import merge
from supcon_ext.recipe.library import find_recipe
from supcon_ext.recipe.limits import MOST_PROBLEMS, MOST_RUNS
from supcon_ext.recipe.load import check, load_layers, problem_at
from supcon_ext.recipe.origins import Document, Fault, KeyPath, without_origins
from supcon_ext.recipe.overrides import apply_overrides
from supcon_ext.recipe.problems import COMMAND_LINE, Problem, RecipeError
from supcon_ext.recipe.reading import read_file
from supcon_ext.recipe.resolved import recipe_hash
from supcon_ext.recipe.schema import LONGEST_NAME, SLUG, Recipe
from supcon_ext.recipe.validation_errors import faults_of

_LONGEST_LABEL = 80
_Variants = Annotated[dict[str, dict[str, Any] | None], Field(min_length=1)]
_Values = Annotated[list[Any], Field(min_length=1)]


class SweepFile(BaseModel):
    """What a sweep file may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=SLUG, max_length=LONGEST_NAME)]
    description: str = ""
    recipe: str | dict[str, Any]
    grid: Annotated[dict[str, _Variants | _Values], Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1)] = [0]
    seed_keys: Annotated[list[str], Field(min_length=1)] = ["seed"]
    jobs: Annotated[int, Field(ge=1, strict=True)] = 1


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
        jobs: Runs at a time that suit them, as the file says.
    """

    name: str
    digest: str
    children: Sequence[Child]
    jobs: int = 1


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
    document, for_recipes = _read(path, overrides)
    value = without_origins(document.value)
    try:
        file = SweepFile.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        found = faults_of(errors[:MOST_PROBLEMS], value)
        problems = [problem_at(document, fault) for fault in found]
        raise RecipeError(problems, more=max(0, len(errors) - MOST_PROBLEMS)) from None
    count = math.prod(map(len, file.grid.values())) * len(file.seeds)
    if count > MOST_RUNS:
        message = f"Expected at most {MOST_RUNS:,} runs, but the grid and the seeds make {count:,}."
        raise RecipeError([problem_at(document, Fault(("grid",), message))])
    base, problems = _base(file, path, document)
    children: dict[str, Child] = {}
    for variant, seed in itertools.product(_variants(file), file.seeds):
        name = f"{_label(variant)}-s{seed}"
        if name in children and len(problems) < MOST_PROBLEMS:
            message = f"Expected runs of different names, but two are called `{name}`."
            problems.append(problem_at(document, Fault(("grid",), message)))
        try:
            recipe = _recipe(file, path, document, base, variant, seed, for_recipes)
            children[name] = Child(name, variant, seed, recipe)
        except RecipeError as error:
            problems += [p for p in error.problems if p not in problems]
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise RecipeError(problems)
    recipes = [child.recipe for child in children.values()]
    text = json.dumps([recipe_hash(recipe) for recipe in recipes])
    sources = sorted({plugin_digest(recipe) for recipe in recipes} - {""})
    digest = hashlib.sha256("".join([text, *sources]).encode()).hexdigest()
    return Sweep(file.name, digest, list(children.values()), file.jobs)


def _read(path: Path, overrides: Sequence[str]) -> tuple[Document, list[str]]:
    """The sweep's file with the overrides that are its own, and the other overrides."""
    try:
        document = read_file(path)
    except OSError as error:
        message = f"Expected a file that can be read, but {error.strerror}."
        raise RecipeError([Problem(str(path), None, "", message)]) from error
    if document.faults:
        raise RecipeError(problem_at(document, fault) for fault in document.faults)
    if not isinstance(document.value, dict):
        message = "Expected a mapping with the keys of a sweep, but the file is something else."
        raise RecipeError([problem_at(document, Fault((), message))])
    rest: list[str] = []
    for text in overrides:
        key, equals, _ = text.partition("=")
        if key.strip() != "seeds" or not equals:
            rest.append(text)
            continue
        document.value, problems = apply_overrides(document.value, [text])
        if problems:
            raise RecipeError(problems)
    return document, rest


def _base(file: SweepFile, path: Path, document: Document) -> tuple[Document, list[Problem]]:
    if isinstance(file.recipe, str):
        try:
            source = find_recipe(file.recipe, path.parent)
        except RecipeError as error:
            found = error.problems[0]
            message = f"{found.message[:-1]}: `{file.recipe}`."
            fault = Fault(("recipe",), message, found.suggestion)
            raise RecipeError([problem_at(document, fault)]) from None
        return load_layers(source)
    return _part(document, ("recipe",)), []


def _part(document: Document, place: KeyPath) -> Document:
    """What a sweep file says at a place, as a document of its own."""
    value: Any = document.value
    for key in place:
        value = value[key]
    return Document(value or {}, origin=document.origin_at(place))


def _variants(file: SweepFile) -> list[dict[str, Any]]:
    axes = [[(axis, choice) for choice in choices] for axis, choices in file.grid.items()]
    return [dict(point) for point in itertools.product(*axes)]


def _recipe(
    file: SweepFile,
    path: Path,
    document: Document,
    base: Document,
    variant: Mapping[str, Any],
    seed: int,
    overrides: Sequence[str],
) -> Recipe:
    """The recipe of one run.

    Raises:
        RecipeError: What is wrong with it, at its place in the sweep's file.
    """
    value, places = base.value, dict[str, KeyPath]()
    for axis, choice in variant.items():
        choices = file.grid[axis]
        if isinstance(choices, dict):
            value = merge(value, _part(document, ("grid", axis, choice)).value)
        else:
            places[f"{axis}={json.dumps(choice)}"] = ("grid", axis, choices.index(choice))
    places |= {f"{key}={seed}": ("seed_keys", number) for number, key in enumerate(file.seed_keys)}
    name = f"name={file.name}-{_label(variant)}"
    value, problems = apply_overrides(value, [name, *places, *overrides])
    try:
        return check(Document(value, origin=base.origin), problems)
    except RecipeError as error:
        raise RecipeError(
            problem_at(document, Fault(places[p.path], p.message, p.suggestion))
            if p.file == COMMAND_LINE and p.path in places
            else p
            for p in error.problems
        ) from None


def _label(variant: Mapping[str, Any]) -> str:
    """A run's place on the axes, as part of the name of a folder."""
    text = "-".join(_slug(choice) for choice in variant.values())
    if len(text) <= _LONGEST_LABEL:
        return text
    return f"{text[:_LONGEST_LABEL]}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _slug(choice: Any) -> str:
    text = choice if isinstance(choice, str) else json.dumps(choice)
    return re.sub(r"[^a-z0-9._]+", "_", text.lower()).strip("_") or "none"

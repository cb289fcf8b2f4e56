"""From a file and overrides to a recipe, or to everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supcon_ext.recipe.cross_checks import cross_faults, known
from supcon_ext.recipe.layers import merge
from supcon_ext.recipe.library import find_recipe, is_sweep
from supcon_ext.recipe.limits import LONGEST_CHAIN, MOST_PROBLEMS, TooLargeError
from supcon_ext.recipe.origins import Document, Fault, KeyPath, ValueOrigin, without_origins
from supcon_ext.recipe.overrides import apply_overrides, dotted
from supcon_ext.recipe.problems import COMMAND_LINE, Problem, RecipeError, shown
from supcon_ext.recipe.reading import plain_faults, read_file
from supcon_ext.recipe.resolved import resolve
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.schema_walk import fields_of, mistyped, places
from supcon_ext.recipe.unknown_keys import UnknownKeys
from supcon_ext.recipe.validation_errors import faults_of, locate

_FROM_PYTHON = "recipe"
_MOST_ERRORS = 4 * MOST_PROBLEMS
"""Errors that are put in words; where there are more, what follows from them is not looked at."""


def load_recipe(source: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe and check it whole.

    Defaults are overridden by the recipe that it ``extends``, that by the file, and that by
    ``overrides``. Mappings merge, lists are replaced, and a part of another kind inherits no
    parameters.

    Args:
        source: A file, or the name of a shipped recipe.
        overrides: Texts ``a.b.c=value``; see :func:`~supcon_ext.recipe.overrides.apply_overrides`.

    Raises:
        RecipeError: Everything that is wrong, at once.
    """
    return check(*load_layers(source, overrides))


def parse_recipe(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Check a recipe given as plain values.

    Raises:
        RecipeError: Everything that is wrong, at once.
    """
    try:
        faults = plain_faults(values)
    except TooLargeError as error:
        raise RecipeError([Problem(_FROM_PYTHON, None, "", str(error))]) from None
    if faults:
        raise RecipeError(problem_at(Document(None), fault) for fault in faults)
    value, problems = apply_overrides(dict(values), overrides)
    return check(Document(value), problems)


def load_layers(
    source: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> tuple[Document, list[Problem]]:
    """The merged document of a recipe, what it extends and the overrides, and what is wrong so far.

    Raises:
        RecipeError: A file is missing, is no YAML, or extends itself.
    """
    chain = _chain(source)
    problems: list[Problem] = []
    value: Any = None
    for document in reversed(chain):
        problems += [problem_at(document, fault) for fault in document.faults]
        document.value.pop("extends", None)
        value = document.value if value is None else merge(value, document.value)
    value, wrong = apply_overrides(value, overrides)
    return Document(value, origin=chain[0].origin), problems + wrong


def _chain(source: str | os.PathLike[str]) -> list[Document]:
    """The file and all that it extends, the file first."""
    path = find_recipe(source)
    chain: list[Document] = []
    seen: list[Path] = []
    while True:
        document = _read(path, ValueOrigin("extends" if chain else "file", _shown_name(path)))
        chain.append(document)
        seen.append(path.resolve())
        parent = document.value.get("extends")
        place: KeyPath = ("extends",)
        if not isinstance(parent, str):
            if parent is not None:
                message = "Expected a path or the name of a shipped recipe."
                document.faults.append(Fault(place, message))
            return chain
        if len(chain) == LONGEST_CHAIN:
            message = f"Expected a chain of at most {LONGEST_CHAIN} files, but it is longer."
            raise RecipeError([problem_at(document, Fault(place, message))])
        try:
            path = find_recipe(parent, path.parent)
        except RecipeError as error:
            problem = error.problems[0]
            fault = Fault(place, f"{problem.message[:-1]}: `{parent}`.", problem.suggestion)
            raise RecipeError([problem_at(document, fault)]) from None
        if path.resolve() in seen:
            names = [str(each.origin and each.origin.source) for each in chain]
            circle = " -> ".join([*names, _shown_name(path)])
            message = f"Expected a chain that ends, but it comes back: {circle}."
            raise RecipeError([problem_at(document, Fault(place, message))])


def _shown_name(path: Path) -> str:
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _read(path: Path, written: ValueOrigin) -> Document:
    """Read a file that must be a mapping.

    Raises:
        RecipeError: It cannot be read, is no YAML, is no mapping, or is a sweep.
    """
    name = written.source
    try:
        document = read_file(path, written)
    except OSError as error:
        message = f"Expected a file that can be read, but {error.strerror}."
        raise RecipeError([Problem(name, None, "", message)]) from error
    if isinstance(document.value, dict):
        if "grid" in document.value and is_sweep(path):
            message = "Expected a recipe, but this is a sweep."
            fault = Fault(("grid",), message, f"Try: supcon sweep {name}")
            raise RecipeError([problem_at(document, fault)])
        return document
    if not document.faults:
        message = "Expected a mapping with the keys of a recipe, but the file is "
        message += "empty." if document.value is None else "something else."
        document.faults.append(Fault((), message, origin=written))
    raise RecipeError(problem_at(document, fault) for fault in document.faults)


def check(document: Document, problems: Sequence[Problem] = ()) -> Recipe:
    """Check a merged document.

    Args:
        document: The document.
        problems: What was found wrong while it was read.

    Raises:
        RecipeError: Everything that is wrong, at once.
    """
    value = without_origins(document.value)
    recipe: Recipe | None = None
    found: list[Fault] = []
    try:
        recipe = Recipe.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        found = faults_of(errors[:_MOST_ERRORS], value)
        if len(errors) > _MOST_ERRORS:
            raise RecipeError(
                [*problems, *(problem_at(document, fault) for fault in found)],
                more=len(errors) - _MOST_ERRORS,
            ) from None
    found += _mistyped(value, {fault.path for fault in found})
    if recipe is not None and not found:
        found = _crossed(resolve(recipe), value, found)
    else:
        found += _crossed(known(value, _doubtful(value, found)), value, found)
    told = {(problem.file, problem.line, problem.path) for problem in problems}
    everything = list(problems)
    for fault in found:
        problem = problem_at(document, fault)
        if (problem.file, problem.line, problem.path) not in told:
            everything.append(problem)
    if everything or recipe is None:
        raise RecipeError(everything)
    return recipe


def _mistyped(document: Any, told: set[KeyPath]) -> list[Fault]:
    """Values that pydantic would convert and nobody meant: ``epochs: true``, ``lr: "0.1"``."""
    return [
        Fault((*place.path, key, *below), f"Expected {expected}, but got {shown(value)}.")
        for place in places(document)
        for key, annotation in fields_of(place.model).items()
        if key in place.given
        for below, expected, value in mistyped(annotation, place.given[key])
        if (*place.path, key, *below) not in told
    ]


def _doubtful(document: Any, found: Iterable[Fault]) -> set[KeyPath]:
    """Keys not to be believed: the wrong ones, and those that an unknown key may stand for."""
    unknown = UnknownKeys(document)
    paths = {fault.path for fault in found}
    meant = {(*path[:-1], key) for path in paths if path and (key := unknown.meant(path))}
    return paths | meant


def _crossed(resolved: Any, document: Any, found: Iterable[Fault]) -> list[Fault]:
    told = {fault.path for fault in found}
    crossed = []
    for fault in cross_faults(resolved):
        path = locate(document, fault.path, missing=True)
        if path not in told:
            crossed.append(Fault(path, fault.message))
    return crossed


def problem_at(document: Document, fault: Fault) -> Problem:
    """A fault of a document, told where the key was written."""
    origin, path = fault.origin or document.origin_at(fault.path), dotted(fault.path)
    if origin is None:
        return Problem(_FROM_PYTHON, None, path, fault.message, fault.suggestion)
    if origin.layer == "override":
        prefix = "" if fault.path == origin.target else f"`{path}`: "
        message = prefix + fault.message
        return Problem(COMMAND_LINE, None, origin.source, message, fault.suggestion)
    return Problem(origin.source, origin.line, path, fault.message, fault.suggestion)

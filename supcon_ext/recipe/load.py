"""From a file and overrides to a recipe, or to everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supcon_ext.recipe.cross_checks import cross_findings, known
from supcon_ext.recipe.layers import Layers, merge
from supcon_ext.recipe.library import find_recipe, is_sweep
from supcon_ext.recipe.limits import LONGEST_CHAIN, MOST_PROBLEMS, TooLargeError
from supcon_ext.recipe.overrides import apply_overrides, dotted
from supcon_ext.recipe.problems import COMMAND_LINE, Problem, RecipeError, shown
from supcon_ext.recipe.reading import Document, Fault, KeyPath, plain_faults, read_file
from supcon_ext.recipe.resolved import resolve
from supcon_ext.recipe.schema import Recipe
from supcon_ext.recipe.schema_walk import fields_of, mistyped, places
from supcon_ext.recipe.unknown_keys import UnknownKeys
from supcon_ext.recipe.validation_errors import KeyFault, findings, locate

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
        raise RecipeError(_of_fault(_FROM_PYTHON, fault) for fault in faults)
    layers, problems = apply_overrides(Layers(dict(values)), overrides)
    return check(layers, problems)


def load_layers(
    source: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> tuple[Layers, list[Problem]]:
    """The merged document of a recipe, what it extends and the overrides, and what is wrong so far.

    Raises:
        RecipeError: A file is missing, is no YAML, or extends itself.
    """
    chain = _chain(source)
    problems: list[Problem] = []
    layers: Layers | None = None
    for place, (file, document) in reversed(list(enumerate(chain))):
        problems += [_of_fault(file, fault) for fault in document.faults]
        if isinstance(document.value, dict):
            document.value.pop("extends", None)
        layer = Layers.of_document(document, "extends" if place else "file", file)
        layers = layer if layers is None else merge(layers, layer)
    if layers is None:
        raise RecipeError(problems)
    layers, wrong = apply_overrides(layers, overrides)
    return layers, problems + wrong


def _chain(source: str | os.PathLike[str]) -> list[tuple[str, Document]]:
    """The file and all that it extends, the file first; each by the name to show."""
    path = find_recipe(source)
    chain: list[tuple[str, Document]] = []
    seen: list[Path] = []
    while True:
        shown_name = _shown_name(path)
        document = _read(path, shown_name)
        chain.append((shown_name, document))
        seen.append(path.resolve())
        parent = document.value.get("extends")
        if not isinstance(parent, str):
            if parent is not None:
                message = "Expected a path or the name of a shipped recipe."
                document.faults.append(Fault(("extends",), document.lines[("extends",)], message))
            return chain
        line = document.lines[("extends",)]
        if len(chain) == LONGEST_CHAIN:
            message = f"Expected a chain of at most {LONGEST_CHAIN} files, but it is longer."
            raise RecipeError([Problem(shown_name, line, "extends", message)])
        try:
            path = find_recipe(parent, path.parent)
        except RecipeError as error:
            problem = error.problems[0]
            message = f"{problem.message[:-1]}: `{parent}`."
            raise RecipeError(
                [Problem(shown_name, line, "extends", message, problem.suggestion)]
            ) from None
        if path.resolve() in seen:
            circle = " -> ".join([*(name for name, _ in chain), _shown_name(path)])
            message = f"Expected a chain that ends, but it comes back: {circle}."
            raise RecipeError([Problem(shown_name, line, "extends", message)])


def _shown_name(path: Path) -> str:
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def _read(path: Path, name: str) -> Document:
    """Read a file that must be a mapping.

    Raises:
        RecipeError: It cannot be read, is no YAML, is no mapping, or is a sweep.
    """
    try:
        document = read_file(path)
    except OSError as error:
        message = f"Expected a file that can be read, but {error.strerror}."
        raise RecipeError([Problem(name, None, "", message)]) from error
    if isinstance(document.value, dict):
        if "grid" in document.value and is_sweep(path):
            message = "Expected a recipe, but this is a sweep."
            line = document.lines[("grid",)]
            raise RecipeError([Problem(name, line, "grid", message, f"Try: supcon sweep {name}")])
        return document
    if not document.faults:
        message = "Expected a mapping with the keys of a recipe, but the file is "
        message += "empty." if document.value is None else "something else."
        document.faults.append(Fault((), None, message))
    raise RecipeError(_of_fault(name, fault) for fault in document.faults)


def _of_fault(file: str, fault: Fault) -> Problem:
    return Problem(file, fault.line, dotted(fault.path), fault.message)


def check(layers: Layers, problems: Sequence[Problem] = ()) -> Recipe:
    """Check a merged document.

    Args:
        layers: The document.
        problems: What was found wrong while it was read.

    Raises:
        RecipeError: Everything that is wrong, at once.
    """
    document = layers.value
    recipe: Recipe | None = None
    found: list[KeyFault] = []
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        found = findings(errors[:_MOST_ERRORS], document)
        if len(errors) > _MOST_ERRORS:
            raise RecipeError(
                [*problems, *(_problem(layers, finding) for finding in found)],
                more=len(errors) - _MOST_ERRORS,
            ) from None
    found += _mistyped(document, {finding.path for finding in found})
    if recipe is not None and not found:
        found = _crossed(resolve(recipe), document, found)
    else:
        found += _crossed(known(document, _doubtful(document, found)), document, found)
    told = {(problem.file, problem.line, problem.path) for problem in problems}
    everything = list(problems)
    for finding in found:
        problem = _problem(layers, finding)
        if (problem.file, problem.line, problem.path) not in told:
            everything.append(problem)
    if everything or recipe is None:
        raise RecipeError(everything)
    return recipe


def _mistyped(document: Any, told: set[KeyPath]) -> list[KeyFault]:
    """Values that pydantic would convert and nobody meant: ``epochs: true``, ``lr: "0.1"``."""
    return [
        KeyFault((*place.path, key, *below), f"Expected {expected}, but got {shown(value)}.")
        for place in places(document)
        for key, annotation in fields_of(place.model).items()
        if key in place.given
        for below, expected, value in mistyped(annotation, place.given[key])
        if (*place.path, key, *below) not in told
    ]


def _doubtful(document: Any, found: Iterable[KeyFault]) -> set[KeyPath]:
    """Keys not to be believed: the wrong ones, and those that an unknown key may stand for."""
    unknown = UnknownKeys(document)
    paths = {finding.path for finding in found}
    meant = {(*path[:-1], key) for path in paths if path and (key := unknown.meant(path))}
    return paths | meant


def _crossed(resolved: Any, document: Any, found: Iterable[KeyFault]) -> list[KeyFault]:
    told = {finding.path for finding in found}
    crossed = []
    for finding in cross_findings(resolved):
        path = locate(document, finding.path, missing=True)
        if path not in told:
            crossed.append(KeyFault(path, finding.message))
    return crossed


def _problem(layers: Layers, finding: KeyFault) -> Problem:
    origin, path = layers.origin(finding.path), dotted(finding.path)
    if origin is None:
        return Problem(_FROM_PYTHON, None, path, finding.message, finding.suggestion)
    if origin.layer == "override":
        prefix = "" if finding.path == origin.target else f"`{path}`: "
        return Problem(
            COMMAND_LINE, None, origin.source, prefix + finding.message, finding.suggestion
        )
    return Problem(origin.source, origin.line, path, finding.message, finding.suggestion)

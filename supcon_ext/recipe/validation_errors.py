"""What pydantic finds wrong, in this project's words, at the key where it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from supcon_ext.recipe.origins import Fault, KeyPath
from supcon_ext.recipe.problems import nearest, shown
from supcon_ext.recipe.schema import PATTERNS
from supcon_ext.recipe.unknown_keys import UnknownKeys

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
    "none": "null",
}
_BOUNDS = {
    "greater_than": ("a value above {}", "gt"),
    "greater_than_equal": ("a value of at least {}", "ge"),
    "less_than": ("a value below {}", "lt"),
    "less_than_equal": ("a value of at most {}", "le"),
    "multiple_of": ("a multiple of {}", "multiple_of"),
    "too_short": ("a list of at least {}", "min_length"),
    "too_long": ("a list of at most {}", "max_length"),
    "string_too_short": ("text of at least {} letters", "min_length"),
    "string_too_long": ("text of at most {} letters", "max_length"),
}
_OWN_WORDS = frozenset({"term_type", "term_parameters"})


def faults_of(errors: Iterable[Mapping[str, Any]], document: Any) -> list[Fault]:
    """Say pydantic's errors in our words.

    Args:
        errors: What ``ValidationError.errors()`` gives.
        document: What was validated.

    Returns:
        One fault for each key; the members of a union that all refuse a value are one fault,
        and a key that is missing because it is misspelt is told once.
    """
    errors = list(errors)
    unknown = UnknownKeys(document)
    strange = [locate(document, e["loc"]) for e in errors if e["type"] == "extra_forbidden"]
    misspelt = {(*path[:-1], unknown.meant(path)) for path in strange}
    found: list[Fault] = []
    wanted: dict[KeyPath, tuple[list[str], Any]] = {}
    for error in errors:
        path = locate(document, error["loc"], missing=error["type"] == "missing")
        expected = _expected(error)
        if expected is not None:
            phrases, _ = wanted.setdefault(path, ([], error["input"]))
            if expected not in phrases:
                phrases.append(expected)
        elif error["type"] == "extra_forbidden":
            found.append(Fault(path, "Unknown key.", unknown.advice(path)))
        elif error["type"] != "missing" or path not in misspelt:
            found.append(_special(error, path, document))
    for path, (phrases, value) in wanted.items():
        message = f"Expected {' or '.join(phrases)}, but got {shown(value)}."
        found.append(Fault(path, message, _hint(phrases, value)))
    return found


def locate(document: Any, loc: Sequence[str | int], missing: bool = False) -> KeyPath:
    """Where pydantic's location is in the document as it was written.

    Steps that the document does not have are left out: the index of a list written as its only
    item, the long form of a part written by its name, the member of a union.

    Args:
        document: What was validated.
        loc: A location in what pydantic made of it.
        missing: Whether the last step is a key that is missing: it stays, as does the name of the
            bare term that would hold it.
    """
    path: list[str | int] = []
    value = document
    last = len(loc) - 1
    for place, step in enumerate(loc):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        elif not (missing and (place == last or value == step)):
            continue
        path.append(step)
    return tuple(path)


def _expected(error: Mapping[str, Any]) -> str | None:
    """What was expected, as a phrase; None for errors that are told in another way."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in _OWN_WORDS:
        return str(error["msg"])
    if kind in _BOUNDS:
        phrase, limit = _BOUNDS[kind]
        return phrase.format(_number(context[limit]))
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return PATTERNS.get(pattern, f"text of the form `{pattern}`")
    if kind in ("literal_error", "enum"):
        choices = [f"`{choice}`" for choice in _choices(context["expected"])]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if kind == "int_from_float":
        return "a whole number"
    if kind == "sequence_str":  # text where a list or a tuple serves
        return "a list"
    stem, _, end = kind.rpartition("_")
    return _TYPES.get(stem) if end in ("type", "parsing") else None


def _special(error: Mapping[str, Any], path: KeyPath, document: Any) -> Fault:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "missing":
        return Fault(path, "Expected this key, but it is missing.")
    if kind == "part_unknown":
        given, names = str(context["given"]), context["names"]
        near = nearest(given, names)
        return Fault(
            locate(document, (*path, "kind")),
            f"Expected the name of {_a(context['family'])}, but "
            + (f"{context['reason']}." if "." in given else f"got `{given}`."),
            f"Did you mean `{near}`?" if near else f"(there are: {', '.join(names)})",
        )
    if kind in ("part_type", "part_kind_missing"):
        return _no_part(error, path)
    message = str(error["msg"]).removeprefix("Value error, ")
    if message.startswith("Input should be "):  # pydantic's own words, of a type that is rare here
        wanted = "a list" if "Sequence" in message else message.removeprefix("Input should be ")
        message = f"Expected {wanted}, but got {shown(error['input'])}."
    return Fault(path, message)


def _no_part(error: Mapping[str, Any], path: KeyPath) -> Fault:
    value, names = error["input"], error["ctx"]["names"]
    what = _a(error["ctx"]["family"])
    expected = f"Expected the name of {what}, or a mapping with `kind`"
    if isinstance(value, list):
        return Fault(path, f"Expected one {error['ctx']['family']}, but got {shown(value)}.")
    if isinstance(value, Mapping):
        key = next((key for key in value if key in names), None)
        suggestion = f"Try: {{kind: {key}, ...}}" if key else f"(there are: {', '.join(names)})"
        return Fault(path, f"{expected}, but got {shown(dict(value))}.", suggestion)
    return Fault(path, f"{expected}, but got {shown(value)}.", f"(there are: {', '.join(names)})")


def _hint(phrases: Sequence[str], value: Any) -> str:
    if phrases == ["text"] and isinstance(value, (bool, int, float)):
        return f'Try: quotes, "{shown(value)}".'
    choices = [choice for phrase in phrases for choice in re.findall("`([^`]*)`", phrase)]
    near = nearest(value, choices) if isinstance(value, str) else None
    return f"Did you mean `{near}`?" if near else ""


def _choices(expected: str) -> list[str]:
    """The choices in pydantic's ``'a', 'b' or 'c'``."""
    parts = expected.replace(" or ", ", ").split(", ")
    return [part.strip("'") for part in parts]


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _a(family: str) -> str:
    return ("an " if family[0] in "aeiou" else "a ") + family

"""Plain values that come from Python, looked at as those of a file are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from supcon_ext.recipe.limits import Allowance, TooLargeError, number_fault, text_fault
from supcon_ext.recipe.reading import Fault, KeyPath


def plain_faults(value: Any) -> list[Fault]:
    """What no file could say: keys that are no text, numbers without end, loops.

    Args:
        value: A recipe, or a part of one.

    Raises:
        TooLargeError: It holds itself, or more than a recipe may hold.
    """
    return list(_faults(value, (), Allowance()))


def _faults(value: Any, path: KeyPath, allowance: Allowance) -> Iterator[Fault]:
    try:
        allowance.visit(len(path))
    except TooLargeError as error:
        where = ".".join(map(str, path[:8]))
        raise TooLargeError(f"{error} (at `{where}`)") from None
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                message = f"Expected text as a key, but got {key!r:.60}."
                if key is True:
                    message += " YAML 1.1 reads a bare `on` so; a term's `on` is `samples` now."
                yield Fault(path, None, message)
                continue
            fault = text_fault(key)
            if fault is not None:
                yield Fault((*path, key), None, fault)
            yield from _faults(inner, (*path, key), allowance)
    elif isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            yield from _faults(inner, (*path, place), allowance)
    else:
        fault = None
        if isinstance(value, str):
            fault = text_fault(value)
        elif isinstance(value, (int, float)):
            fault = number_fault(value, str(value) if isinstance(value, float) else "")
        if fault is not None:
            yield Fault(path, None, fault)

"""Where each value of a document was written, kept on its keys and lists.

Values that come from Python are plain mappings and lists: they have no origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class ValueOrigin:
    """Where a value was written.

    Attributes:
        layer: The recipe's own ``file``, a file it ``extends``, or an ``override``.
        source: The file as named, or the whole override.
        line: Line in the file, from 1.
        target: Path that an override sets.
    """

    layer: Literal["file", "extends", "override"] = "file"
    source: str = ""
    line: int | None = None
    target: KeyPath = ()


class Key(str):
    """A key that knows where it was written."""

    origin: ValueOrigin

    @classmethod
    def at(cls, text: str, origin: ValueOrigin) -> Key:
        """A key with its origin."""
        key = cls(text)
        key.origin = origin
        return key


class Items(list[Any]):
    """A list whose items know where they were written."""

    origins: Sequence[ValueOrigin | None] = ()


@dataclass
class Document:
    """What was written.

    Attributes:
        value: Mappings, lists, text, numbers, booleans and None, with their origins.
        faults: What is wrong in the text itself.
        origin: Of the whole.
    """

    value: Any
    faults: list[Fault] = field(default_factory=list)
    origin: ValueOrigin | None = None

    def origin_at(self, path: KeyPath) -> ValueOrigin | None:
        """Where the value at ``path``, or the nearest thing that holds it, was written."""
        value, found = self.value, self.origin
        for step in path:
            if isinstance(value, dict) and step in value:
                key = next(key for key in value if key == step)
                found = getattr(key, "origin", found)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                origins = getattr(value, "origins", ())
                found = (origins[step] if step < len(origins) else None) or found
            else:
                break
            value = value[step]
        return found


@dataclass(frozen=True)
class Fault:
    """Something wrong at a key of a document.

    Attributes:
        path: The key.
        message: What was expected, and what came.
        suggestion: What would be right; empty where nothing is near.
        origin: Where it was written, if that is not where the key's value was.
    """

    path: KeyPath
    message: str
    suggestion: str = ""
    origin: ValueOrigin | None = None


def without_origins(value: Any) -> Any:
    """The same in plain mappings, lists and text."""
    if isinstance(value, dict):
        return {str(key): without_origins(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_origins(item) for item in value]
    return value

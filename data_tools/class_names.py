"""What a class is called: labels as they stand, the order of classes, and a class named in text.

A label is a text. Classes whose names all are whole numbers, written as one writes numbers (``0``,
``7``, ``-3``; not ``01``, ``+1``, ``1.0`` or ``1e3``), are in the order of their values, all others
in that of their texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

if TYPE_CHECKING:  # the schema of recipes names classes, and loads in little time
    import numpy.typing as npt

    from data_tools.samples import IntArray

ClassName = Annotated[int, Field(strict=True)] | str
"""A class as a recipe names it, see :func:`class_number`."""

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,99}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def is_whole_number(text: str) -> bool:
    """Whether a text is a whole number as one writes it: ``0``, ``7``, ``-3``, but not ``01``."""
    return _WHOLE.fullmatch(text) is not None


def sorted_classes(names: Iterable[str]) -> tuple[str, ...]:
    """The classes, each once: by value if every name is a whole number, else by text."""
    unique = set(names)
    if all(map(is_whole_number, unique)):
        return tuple(sorted(unique, key=int))
    return tuple(sorted(unique))


def numbered(names: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """``(N,)`` class numbers of labels that are texts, and the classes."""
    import numpy as np

    classes = sorted_classes(names)
    place = {name: number for number, name in enumerate(classes)}
    return np.asarray([place[name] for name in names], dtype=np.int64), classes


def class_number(name: object, classes: Sequence[str], where: str) -> int:
    """The number of a class that is named in a recipe or a file.

    A class goes by its name. Where no class is called by a number, a whole number of at least 0 is
    a place among the classes; where one is, a number is a name and never a place, so that no number
    means two things.

    Args:
        name: A text or a whole number.
        classes: Names of the C classes.
        where: What names it, for the message: ``argument `mapping```.

    Returns:
        A number in [0, C).

    Raises:
        ValueError: It names no class, or is no text or whole number.
    """
    whole = isinstance(name, Integral) and not isinstance(name, bool)
    if whole or isinstance(name, str):
        text = str(name) if str(name) in classes else str(name).strip()
        if text in classes:
            return classes.index(text)
        if any(_NUMBER.fullmatch(known.strip()) for known in classes):
            raise ValueError(
                f"Expected the name of a class in {where}, but got {name!r}. Classes are called by "
                f"numbers here, so a number is a name and no place. Try: {_some(classes)}."
            )
        if is_whole_number(text) and 0 <= int(text) < len(classes):
            return int(text)
    raise ValueError(
        f"Expected a class of the data set in {where}, but got {name!r}. "
        f"Try: a name ({_some(classes)}) or a number below {len(classes)}."
    )


def class_numbers(names: npt.NDArray[Any], classes: Sequence[str], where: str) -> IntArray:
    """:func:`class_number` of each element of ``(N,)`` texts or whole numbers.

    Raises:
        ValueError: An element names no class.
    """
    import numpy as np

    distinct, place = np.unique(names, return_inverse=True)
    found = [class_number(name, classes, where) for name in distinct.tolist()]
    return np.asarray(found, dtype=np.int64)[place]


def _some(classes: Sequence[str]) -> str:
    more = len(classes) - 5
    return ", ".join(classes[:5]) + (f" and {more} more" if more > 0 else "")

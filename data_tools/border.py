"""What a part returns is looked at where it comes in, and refused in the words of its family."""

from __future__ import annotations

from typing import Any

KINDS = {"float": "floats", "int": "integers", "bool": "booleans"}


def refuse(part: str, expected: str, got: str, advice: str = "") -> ValueError:
    """The error for something that a part returned.

    Args:
        part: Family and name of the part, as :func:`~data_tools.registry.part_name` tells it.
        expected: What it should have returned.
        got: What it did return.
        advice: What to try.
    """
    return ValueError(f"{part}: expected {expected}, but got {got}{advice and f'. Try: {advice}'}")


def check_array(
    part: str,
    what: str,
    value: Any,
    shape: tuple[int | None, ...],
    kinds: tuple[str, ...] = ("float", "int", "bool"),
) -> None:
    """Refuse what is no array or tensor of a shape and a kind of numbers.

    Args:
        part: Family and name of the part.
        what: What the value is, in words (``anchor weights``).
        value: What the part returned.
        shape: Expected; None takes any length.
        kinds: Any of ``float``, ``int``, ``bool``.

    Raises:
        ValueError: It is something else.
    """
    wanted = f"{what} of shape {_shown(shape)}"
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise refuse(part, wanted, described(value))
    found = tuple(value.shape)
    right = len(found) == len(shape) and all(
        w in (None, g) for w, g in zip(shape, found, strict=True)
    )
    if not right:
        raise refuse(part, wanted, f"{_shown(found)}")
    if kind_of(value.dtype) not in kinds:
        words = " or ".join(KINDS[kind] for kind in kinds)
        raise refuse(part, f"{what} that are {words}", f"{value.dtype}")


def check_type(part: str, what: str, value: Any, wanted: type, advice: str = "") -> None:
    """Refuse what is no instance of a class.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, wanted):
        raise refuse(part, f"{what} to be a {wanted.__name__}", described(value), advice)


def kind_of(dtype: Any) -> str:
    """``float``, ``int``, ``bool`` or the dtype's own name, of NumPy's and torch's dtypes."""
    name = str(dtype).removeprefix("torch.")
    if name.startswith(("float", "bfloat")):
        return "float"
    if name.startswith(("int", "uint")):
        return "int"
    return name


def described(value: Any) -> str:
    """A value in a message: its type, and its shape or text where that is short."""
    if value is None:
        return "None"
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {_shown(tuple(value.shape))}"
    return type(value).__name__


def _shown(shape: tuple[int | None, ...]) -> str:
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"

"""What the loss is handed: taken as it is meant, or refused in one sentence.

Nothing here looks at a tensor's values, which on a GPU would cost a wait; what does is said so.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor


def shown(value: Any) -> str:
    """A value as a message shows it: of a tensor or an array its type and shape."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a numpy array, {value.dtype} {value.shape}"
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse a setting that is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(
            f"Expected `{name}` to be one of {listed}, but got {shown(value)}. Try: {choices[0]!r}"
        )


def number(name: str, value: Any, *, above: float = -math.inf) -> float:
    """A finite number above a bound; no tensor, to which no gradient would flow."""
    good = isinstance(value, Real) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not value > above:
        bound = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(
            f"Expected a finite number{bound} of argument `{name}`, but got {shown(value)}. "
            f"Try: {name}=0.1"
        )
    return float(value)


def whole(name: str, value: Any, *, least: int | None = None) -> int:
    """A whole number, of at least a bound where there is one."""
    good = isinstance(value, Integral) and not isinstance(value, bool)
    if not good or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise ValueError(
            f"Expected a whole number{bound} of argument `{name}`, but got {shown(value)}. "
            f"Try: {name}={least or 0}"
        )
    return int(value)


def truth(name: str, value: Any) -> bool:
    """True or False, and no text that stands for one."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(
            f"Expected True or False of argument `{name}`, but got {shown(value)}. Try: {name}=True"
        )
    return bool(value)


def part(name: str, value: Any, methods: tuple[str, ...], example: str) -> None:
    """Refuse what lacks a method that the loss calls, or is a class and no object of it."""
    if isinstance(value, type) or not all(callable(getattr(value, m, None)) for m in methods):
        listed = " and ".join(f"`{method}`" for method in methods)
        raise ValueError(
            f"Expected an object with {listed} as argument `{name}`, but got {shown(value)}. "
            f"Try: {name}={example}"
        )


def embeddings(name: str, value: Any, dims: tuple[int, ...], shape: str) -> Tensor:
    """A dense tensor of floats with one of these numbers of dimensions, and not empty."""
    if not isinstance(value, Tensor):
        raise ValueError(
            f"Expected a tensor of shape {shape} as argument `{name}`, but got {shown(value)}. "
            "Try: torch.as_tensor(...), if no gradient has to flow"
        )
    if value.ndim not in dims or 0 in value.shape:
        raise ValueError(
            f"Expected non-empty `{name}` of shape {shape}, but got {shown(value)}. "
            "Try: .reshape(samples, views, -1)"
        )
    if not value.is_floating_point() or value.layout != torch.strided:
        raise ValueError(
            f"Expected `{name}` of a float type, and dense, but got {shown(value)}. Try: .float()"
        )
    return value


def vector(name: str, values: Any, like: Tensor) -> Tensor:
    """Values as a tensor on the device of ``like``: tensors that are there, lists, numpy arrays."""
    if isinstance(values, Tensor):
        if values.device != like.device:
            raise ValueError(
                f"Expected `{name}` on the features' device {like.device}, but got it on "
                f"{values.device}. Try: {name}.to({str(like.device)!r})"
            )
        return values
    if isinstance(values, (list, tuple)) or hasattr(values, "__array__"):
        try:
            if not isinstance(values, (list, tuple)):
                values = np.array(values)
            return torch.as_tensor(values).to(like.device)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            pass  # what torch cannot hold is refused like what is no list at all
    raise ValueError(
        f"Expected a tensor, a list or a numpy array of numbers as argument `{name}`, "
        f"but got {shown(values)}. Try: torch.tensor([0, 0, 1, 1])"
    )


def integers(name: str, values: Any, rows: Tensor) -> Tensor:
    """``(N,)`` int64 of integers or truth values, one for each row, see :func:`vector`."""
    found = vector(name, values, rows)
    if found.shape != rows.shape[:1]:
        raise _length(name, found, rows)
    if found.is_floating_point() or found.is_complex():
        raise ValueError(f"Expected integer `{name}`, but got {shown(found)}. Try: {name}.long()")
    return found.long()


def fractions(name: str, values: Any, rows: Tensor) -> Tensor:
    """``(N,)`` floats, one for each row, see :func:`vector`."""
    found = vector(name, values, rows)
    if found.shape != rows.shape[:1]:
        raise _length(name, found, rows)
    if found.is_complex():
        raise ValueError(f"Expected real `{name}`, but got {shown(found)}. Try: {name}.real")
    return found if found.is_floating_point() else found.float()


def _length(name: str, found: Tensor, rows: Tensor) -> ValueError:
    return ValueError(
        f"Expected `{name}` of shape ({len(rows)},), one for each row, but got {shown(found)}. "
        "Try: as many as there are rows"
    )

"""Calls that ``torch.compile`` leaves as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def untraced(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: under ``torch.compile`` the call is a break in the graph, and runs as written.

    As ``torch.compiler.disable``, which would load the compiler as soon as it is named.
    """
    apart: list[Callable[P, R]] = []

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if not torch.compiler.is_compiling():
            return function(*args, **kwargs)
        if not apart:
            apart.append(torch.compiler.disable(function))  # type: ignore[no-untyped-call]
        return apart[0](*args, **kwargs)

    return wrapper

"""Whether a class or a function that nobody registered is what a family's parts are."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def misfit(target: Callable[..., Any], makes: Any, like: Callable[..., Any] | None) -> str | None:
    """Why a class or function is no part of a family; None where it may be one.

    A class is measured by itself, a function by what it says that it returns.

    Args:
        target: The class or function.
        makes: What parts of the family make: a class, a protocol, or a kind of function.
        like: A part of the family; None where there is none yet.
    """
    handed = [] if like is None or inspect.isclass(like) else _positional(like)
    takes = f"({', '.join(parameter.name for parameter in handed)})"
    if inspect.isclass(target):
        if handed:
            return f"expected was a function of {takes}, not a class"
        return None if _is(target, makes) else f"it is no {_said(makes)}"
    given = _positional(target)
    required = [each for each in given if each.default is inspect.Parameter.empty]
    if not len(required) <= len(handed) <= len(given):
        return f"expected was a function of {takes}"
    try:
        made = typing.get_type_hints(target).get("return", inspect.Parameter.empty)
    except Exception:  # annotations that cannot be read here say nothing
        made = inspect.Parameter.empty
    if made is inspect.Parameter.empty:
        return f"it does not say what it returns. Try: `-> {_said(makes)}` in its signature"
    return None if _is(made, makes) else f"it returns {_said(made)}, not {_said(makes)}"


def _positional(target: Callable[..., Any]) -> list[inspect.Parameter]:
    signature = inspect.signature(target)
    return [each for each in signature.parameters.values() if each.kind in _POSITIONAL]


def _is(made: Any, wanted: Any) -> bool:
    if made is Any or made == wanted:
        return True
    made, wanted = typing.get_origin(made) or made, typing.get_origin(wanted) or wanted
    if wanted is collections.abc.Callable:
        return made is wanted or (inspect.isclass(made) and _has(made, "__call__"))
    if not (inspect.isclass(made) and inspect.isclass(wanted)):
        return False
    if getattr(wanted, "_is_protocol", False):
        return all(_has(made, name) for name in vars(wanted) if _asked_for(name, wanted))
    return issubclass(made, wanted)


def _has(kind: type, method: str) -> bool:
    found = next((vars(each)[method] for each in kind.__mro__ if method in vars(each)), None)
    if method == "__call__":  # any module of torch's can be called, with anything
        return inspect.isfunction(found) and len(_positional(found)) > 1
    return found is not None


def _asked_for(name: str, protocol: Any) -> bool:
    """Whether a name of a protocol's is a method that its members have."""
    own = not name.startswith("_") or name == "__call__"
    return own and inspect.isfunction(vars(protocol)[name])


def _said(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)

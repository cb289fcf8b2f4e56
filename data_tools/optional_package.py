"""Packages that only some uses need: imported when used, and missed in one line."""

from __future__ import annotations

import importlib
from typing import Any


def optional_package(name: str, use: str, install: str, other_way: str = "") -> Any:
    """Import a package, or say how to install it.

    Args:
        name: Dotted name of its module.
        use: What it is needed for, in words.
        install: What ``pip install`` is given.
        other_way: What can be done without it, if anything.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # it is there, but misses something itself
        quoted = f'"{install}"' if "[" in install else install
        raise ModuleNotFoundError(
            f"Expected package `{package}` for {use}, but it is not installed. "
            f"Try: pip install {quoted}{other_way and f', or {other_way}'}",
            name=package,
        ) from None

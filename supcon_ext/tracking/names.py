"""The keys that MLflow accepts for metrics, params and tags, checked before anything is written."""

from __future__ import annotations

import posixpath
import re

MAX_KEY = 250
_ALLOWED = re.compile(r"[/\w.\- :]*")


def check_key(key: str, what: str) -> str:
    """Return ``key`` if MLflow would take it.

    MLflow's rule: letters, digits, ``_ - . : /`` and spaces, at most 250 characters, and as a path
    already in its shortest form (no ``//``, no ``./``, no slash at either end).

    Args:
        key: The key, e.g. ``train/loss``.
        what: What the key names (``metric``, ``param``, ``tag``), for the message.

    Raises:
        ValueError: MLflow would refuse the key.
    """
    if not key or len(key) > MAX_KEY:
        raise ValueError(
            f"Expected 1 to {MAX_KEY} characters in {what} `key`, but got {len(key)}. Try: a "
            f"shorter name"
        )
    odd = sorted(set(_ALLOWED.sub("", key)))
    if odd:
        raise ValueError(
            f"Expected letters, digits, `_ - . : /` and spaces in {what} `key`, but got {key!r} "
            f"with "
            f"{' '.join(map(repr, odd))}. Try: {_cleaned(key)!r}"
        )
    shortest = posixpath.normpath(key)
    if shortest != key or key == "." or key.startswith(("..", "/")):
        raise ValueError(
            f"Expected a path in its shortest form in {what} `key`, but got {key!r}. "
            f"Try: {_cleaned(key)!r}"
        )
    return key


def _cleaned(key: str) -> str:
    parts = [re.sub(r"[^\w\- :.]+", "_", part).strip("_") for part in key.split("/")]
    return "/".join(part for part in parts if part.strip(".")) or "value"

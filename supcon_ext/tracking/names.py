"""Keys and values as MLflow takes them; the journal and the run folder keep them as they are."""

from __future__ import annotations

import hashlib
import posixpath
import re

from data_tools.printable import printable_lines

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_INPUT_TAG = 500
MAX_INPUT_KEY = 255
MAX_DATASET_NAME = 500
MAX_DIGEST = 36
MAX_FILE_NAME = 80
_ALLOWED = re.compile(r"[/\w.\- :]+")


def mlflow_key(key: str) -> str:
    """A key of a metric, param or tag that MLflow takes: the key itself, wherever it does.

    MLflow's rule: letters, digits, ``_ - . : /`` and spaces, at most 250 characters, and as a path
    already in its shortest form (no ``//``, no ``./``, no slash at either end). Of any other key,
    what is odd becomes ``_``, and a short hash at the end keeps it apart from its likes.
    """
    shortest = posixpath.normpath(key)
    fits = 0 < len(key) <= MAX_KEY and _ALLOWED.fullmatch(key)
    if fits and shortest == key and key != "." and not key.startswith(("..", "/")):
        return key
    parts = [re.sub(r"[^\w\- :.]+", "_", part) for part in key.split("/")]
    cleaned = "/".join(part for part in parts if part.strip(".")) or "value"
    return f"{cleaned[: MAX_KEY - 9]}_{_hash(key)}"


def model_name(name: str) -> str:
    """A name of a logged model that MLflow takes."""
    return re.sub(r"[^\w\- ]+", "_", name) or "model"


def shortened(value: str, limit: int) -> str:
    """A value of at most ``limit`` characters, with ``…`` where it was cut, safe to print."""
    text = printable_lines(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def file_of(key: str) -> str:
    """A file name for the full text of a key's value."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', key)[:MAX_FILE_NAME]}_{_hash(key)}.txt"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]

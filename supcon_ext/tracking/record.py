"""A JSON object that a run keeps in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_record(path: Path, missing: str) -> dict[str, Any]:
    """The content of a file.

    Args:
        path: The file, in a run's folder.
        missing: What to say where there is none.

    Raises:
        ValueError: It is missing or damaged.
    """
    again = f"Try: supcon resume {path.parent}"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(missing) from None
    except ValueError as error:
        raise ValueError(f"Expected JSON in {path}, but got {error}. {again}") from error
    if not isinstance(record, dict):
        raise ValueError(
            f"Expected a JSON object in {path}, but got {type(record).__name__}. {again}"
        )
    return record

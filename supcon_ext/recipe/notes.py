"""What a part's docstring says of its parameters."""

from __future__ import annotations

import inspect
import re
from typing import Any

from data_tools.registry import Entry

_ARGUMENTS = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r"^    (\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", re.MULTILINE)


def parameter_notes(entry: Entry[Any]) -> dict[str, str]:
    """What the docstring's ``Args`` say of each parameter, on one line each."""
    found = _ARGUMENTS.search(inspect.getdoc(entry.target) or "")
    arguments = _ARGUMENT.findall(found[1]) if found else []
    return {name: " ".join(text.split()) for name, text in arguments}

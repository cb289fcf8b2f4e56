"""What a part's docstring says of its parameters."""

from __future__ import annotations

import inspect
import re
from typing import Any

from data_tools.registry import Entry, family

_ARGUMENTS = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_ATTRIBUTES = re.compile(_ARGUMENTS.pattern.replace("Args", "Attributes"), _ARGUMENTS.flags)
_ARGUMENT = re.compile(r"^    (\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", re.MULTILINE)


def parameter_notes(entry: Entry[Any]) -> dict[str, str]:
    """What docstrings say of each parameter, on one line each: the part's, and its family's."""
    notes = {}
    for of, pattern in ((family(entry.family).base, _ATTRIBUTES), (entry.target, _ARGUMENTS)):
        found = pattern.search((of and inspect.getdoc(of)) or "")
        for name, text in _ARGUMENT.findall(found[1]) if found else []:
            notes[name] = " ".join(text.split())
    return notes

"""``{public-names}``: what ``supcon_ext`` and ``supcon_ext.testing`` give, by their docstrings."""

from __future__ import annotations

import ast
import inspect
from itertools import groupby
from pathlib import Path
from typing import Any

from markdown_part import MarkdownPart

import supcon_ext
from data_tools.registry import Registry


class PublicNames(MarkdownPart):
    """Every name of ``supcon_ext/__init__.pyi``, in a section for each part of the package."""

    def text(self) -> str:
        """A section for each folder, with the directive of autodoc for each name."""
        parts = []
        for part, names in groupby(sorted(by_part()), key=lambda each: each[0]):
            parts += [f"## {part}", "", *(described(name) for _, name in names), ""]
        return "\n".join(parts)


def by_part() -> list[tuple[str, str]]:
    """The names, each with the folder of the package that has it."""
    stub = Path(supcon_ext.__file__).with_name("__init__.pyi").read_text(encoding="utf-8")
    imports = [each for each in ast.parse(stub).body if isinstance(each, ast.ImportFrom)]
    return [(str(each.module).split(".")[0], name.name) for each in imports for name in each.names]


def described(name: str) -> str:
    """The Markdown of one name."""
    found = getattr(supcon_ext, name)
    if isinstance(found, Registry):
        return (
            f'`supcon_ext.{name}("NAME")`\n'
            f": Decorator: registers a class or a function as {name} `NAME`. "
            f'`{name}.make("NAME", ...)` makes one; `{name}.names()` lists them.\n'
        )
    kind = "autoclass" if inspect.isclass(found) else "autofunction"
    return f"```{{eval-rst}}\n.. {kind}:: supcon_ext.{name}\n```\n"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("public-names", PublicNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

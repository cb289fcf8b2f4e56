"""``{command-line}``: what every command says of itself."""

from __future__ import annotations

from typing import Any

import click
from markdown_part import MarkdownPart

from supcon_ext.cli import main


class CommandLine(MarkdownPart):
    """A section for each command, with its help."""

    def text(self) -> str:
        """The sections."""
        return "\n".join(section(name) for name in main.commands)


def section(name: str) -> str:
    """One command."""
    command = main.commands[name]
    parent = click.Context(main, info_name="supcon")
    context = click.Context(command, info_name=name, parent=parent, max_content_width=90)
    return f"## supcon {name}\n\n```text\n{command.get_help(context)}\n```\n"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

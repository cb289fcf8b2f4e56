"""A directive that writes Markdown, with headings, in its own place."""

from __future__ import annotations

from abc import abstractmethod

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class MarkdownPart(SphinxDirective):
    """Gives what :meth:`text` says."""

    @abstractmethod
    def text(self) -> str:
        """The Markdown."""

    def run(self) -> list[nodes.Node]:
        """Called by Sphinx."""
        lines = StringList(self.text().splitlines(), source=self.env.docname)
        made = nodes.container()
        self.state.nested_parse(lines, self.content_offset, made, match_titles=True)
        return made.children

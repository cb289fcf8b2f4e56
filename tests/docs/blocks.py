"""The fenced blocks of the site's pages, and what stands above each in a comment.

``<!-- not run: REASON -->``
    A block that needs what a test has not: GPUs, a cluster, a download. It is parsed all the same.
``<!-- file: NAME -->``
    The block is what the file holds.
``<!-- in tests: KEY=VALUE ... -->``
    Added to each ``supcon`` command of the block that takes overrides, so that it ends soon.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(
    r"(?:^<!-- (?P<kind>not run|file|in tests): (?P<said>.*?) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    flags=re.S | re.M,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str
    kind: str
    said: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command of a block of shell."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def pages() -> list[str]:
    """The site's own pages; what Sphinx writes is none of them."""
    found = (path.relative_to(DOCS) for path in DOCS.rglob("*.md"))
    return sorted(str(path) for path in found if not path.parts[0].startswith("_"))


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["text"],
            found["kind"] or "",
            found["said"] or "",
        )
        for found in FENCE.finditer(text)
    ]


def arguments_of_supcon(words: list[str]) -> list[str] | None:
    """What a command gives to ``supcon``, however it starts it; None for another command."""
    if "supcon" in words:
        return words[words.index("supcon") + 1 :]
    if "supcon_ext" in words and words[words.index("supcon_ext") - 1] == "-m":
        return words[words.index("supcon_ext") + 1 :]
    return None

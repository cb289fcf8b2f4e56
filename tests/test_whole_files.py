"""Whatever the packages write goes to a draft, which `whole_file` then puts in its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WRITES = {"write_text", "write_bytes", "savefig", "savez", "savez_compressed", "save_file"}
SAVES = {"torch.save", "np.save"}
OTHERWISE = {
    "supcon_ext/tracking/logged_model.py": "a temporary folder, which is uploaded and goes",
    "supcon_ext/tracking/journal.py": "a journal, to which lines are added",
    "supcon_ext/sweep/jobs.py": "a log of what a child prints",
}
TAKEN = {"draft", "buffer", "file"}
"""Names of drafts, and of files in memory or inside of a draft."""


def is_writing(node: ast.Call) -> bool:
    modes = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    opens = getattr(node.func, "attr", getattr(node.func, "id", "")) == "open"
    return opens and any(
        isinstance(mode, ast.Constant) and str(mode.value)[:1] in ("w", "a", "x") for mode in modes
    )


def strays(tree: ast.Module) -> Iterator[int]:
    """Lines that write to something which is called otherwise than a draft is."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        writes = isinstance(node.func, ast.Attribute) and node.func.attr in WRITES
        if not (writes or is_writing(node) or ast.unparse(node.func) in SAVES):
            continue
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        names = {n.id for part in (owner, *node.args) if part for n in ast.walk(part)
                 if isinstance(n, ast.Name)}  # fmt: skip
        if not names & TAKEN:
            yield node.lineno


@pytest.mark.parametrize(
    "text",
    [
        "path.write_text('x')",
        "open(path, 'w')",
        "path.open('w', encoding='utf-8')",
        "path.open(mode='a')",
        "np.savez(path, a=a)",
        "torch.save(state, path)",
        "figure.savefig(path)",
    ],
)
def test_a_stray_is_found(text: str) -> None:
    assert list(strays(ast.parse(text))) == [1]
    assert not list(strays(ast.parse(text.replace("path", "draft"))))


def test_everything_is_written_to_a_draft() -> None:
    found = {}
    for package in ("supcon_ext", "data_tools"):
        for path in (ROOT / package).rglob("*.py"):
            lines = list(strays(ast.parse(path.read_text(encoding="utf-8"))))
            if lines:
                found[str(path.relative_to(ROOT))] = lines
    assert set(found) == set(OTHERWISE), found

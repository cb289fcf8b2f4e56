"""No module imports, in whatever circle, itself: not at its top, nor for its types."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules() -> dict[str, ast.Module]:
    found = {}
    for package in ("supcon_ext", "data_tools"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Whatever is imported when a module is, and what it imports for its types."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from statements(child)


def imported(tree: ast.Module, known: dict[str, ast.Module]) -> set[str]:
    found = set()
    for node in statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known.keys()


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found() -> None:
    known = {name: ast.parse("") for name in ("a", "b")}
    trees = {"a": "import b", "b": "if TYPE_CHECKING:\n    from a import x"}
    graph = {name: imported(ast.parse(text), known) for name, text in trees.items()}
    assert set(circle(graph)) == {"a", "b"}
    later = {"a": "import b", "b": "def f():\n    import a"}
    assert not circle({name: imported(ast.parse(text), known) for name, text in later.items()})


def test_no_circle_of_imports() -> None:
    known = modules()
    graph = {name: imported(tree, known) for name, tree in known.items()}
    for part in ("refresh", "running", "state"):  # of the trainer, which they name for its type
        graph[f"supcon_ext.training.{part}"] -= {"supcon_ext.training.loop"}
    assert circle(graph) == []


def foreign_privates(tree: ast.Module) -> Iterator[str]:
    """Private names of other packages that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            yield from (f"{node.module}.{name}" for name in private)


def test_no_private_name_is_imported() -> None:
    found = {name: list(foreign_privates(tree)) for name, tree in modules().items()}
    assert {name: private for name, private in found.items() if private} == {}

"""Digests of source code: the package's own, and that of the modules whose parts a recipe names."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from data_tools.registry import Spec, family
from supcon_ext.recipe.schema import Recipe

OWN = ("supcon_ext", "data_tools")


def plugin_digest(recipe: Recipe) -> str:
    """SHA-256 over the sources of all modules outside this package that a recipe's parts are from.

    Args:
        recipe: Checked, so that its plug-ins are imported.

    Returns:
        64 hexadecimal digits; the empty text where every part ships with this package.
    """
    digests = plugin_digests(recipe)
    text = "".join(f"{name}:{digest}\n" for name, digest in digests.items())
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def plugin_digests(recipe: Recipe) -> dict[str, str]:
    """The digest of each such module, by its top-level name; see :func:`source_digest`."""
    names = {module.partition(".")[0] for module in plugin_modules(recipe)}
    return {name: source_digest(name) for name in sorted(names)}


def plugin_modules(recipe: Recipe) -> list[str]:
    """Every module outside this package that a recipe names, or that its parts are from."""
    modules = set(recipe.plugins)
    for spec in _specs(recipe):
        target = family(spec.family).get(spec.kind).target
        modules.add(str(target.__module__))
    return sorted(name for name in modules if name.partition(".")[0] not in {*OWN, "__main__"})


def plugin_files(recipe: Recipe) -> list[Path]:
    """The files that are run for a recipe's plug-ins, which are imported already."""
    loaded = (sys.modules.get(name) for name in plugin_modules(recipe))
    files = (getattr(module, "__file__", None) for module in loaded)
    return sorted({Path(file) for file in files if file})


def code_digest() -> str:
    """SHA-256 over the source code of this package."""
    return hashlib.sha256("".join(source_digest(name) for name in OWN).encode()).hexdigest()


def source_digest(name: str) -> str:
    """SHA-256 over the source code of a top-level module, which is not imported for it.

    A package counts with its whole tree, a module of one file with all modules beside it that it
    imports, directly or through others. What a package manager installed counts by its version.

    Args:
        name: Of the module, without a dot.

    Raises:
        ValueError: There is no such module.
    """
    spec = importlib.util.find_spec(name)
    places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
    roots = [Path(place) for place in places if Path(place).exists()]
    if not roots:
        raise ValueError(f"Expected the source code of the module `{name}`, but it is nowhere")
    if any(roots[0].is_relative_to(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")):
        try:
            return f"version {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            pass  # it is installed under another name
    digest = hashlib.sha256()
    for root in roots:
        files = sorted(root.rglob("*.py")) if root.is_dir() else _with_neighbours(root)
        for file in files:
            inside = file.relative_to(root if root.is_dir() else root.parent).as_posix()
            digest.update(f"{inside}:".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _with_neighbours(file: Path) -> list[Path]:
    """A file and those in its folder that it imports."""
    found, left = {file}, [file]
    while left:
        for name in _imported(left.pop()):
            module, package = file.parent / f"{name}.py", file.parent / name
            beside = package.rglob("*.py") if (package / "__init__.py").is_file() else [module]
            for other in beside:
                if other.is_file() and other not in found:
                    found.add(other)
                    left.append(other)
    return sorted(found)


def _imported(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return  # Python's own words say it better, when it is imported
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _specs(value: Any) -> Iterator[Spec]:
    """Every part that is named anywhere in a value."""
    inside: Iterable[Any] = ()
    if isinstance(value, Spec):
        yield value
        inside = value.params.values()
    elif isinstance(value, BaseModel):
        inside = (getattr(value, field) for field in type(value).model_fields)
    elif isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, (list, tuple)):
        inside = value
    for item in inside:
        yield from _specs(item)

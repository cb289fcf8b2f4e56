"""What an author of a plug-in imports comes from `supcon_ext`, and costs nothing until then."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import data_tools
import supcon_ext
from data_tools.registry import Registry
from supcon_ext import losses, recipe
from supcon_ext.recipe.families import FAMILIES

PACKAGES = [supcon_ext, data_tools, losses, recipe]
NAMES = [(package, name) for package in PACKAGES for name in package.__all__]


@pytest.mark.parametrize(
    ("package", "name"), NAMES, ids=lambda value: getattr(value, "__name__", value)
)
def test_every_name_is_there_documented_and_listed(package: ModuleType, name: str) -> None:
    value = getattr(package, name)
    assert name in dir(package)
    assert getattr(package, name) is value
    assert isinstance(value, Registry) or inspect.getdoc(value)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("family", FAMILIES)
def test_the_decorator_of_every_family_is_there(family: str) -> None:
    registry = getattr(supcon_ext, family)
    assert isinstance(registry, Registry) and registry.family == family


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_another_name_is_none(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = package.nothing_like_it


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_package_alone_loads_nothing(package: ModuleType) -> None:
    code = (
        f"import sys, {package.__name__}\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'mlflow', 'yaml'} & set(sys.modules)\n"
        "print(*sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_the_readme_imports_from_what_is_public() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    modules = set(re.findall(r"^from (supcon_ext[\w.]*) import", text, flags=re.MULTILINE))
    assert modules == {"supcon_ext", "supcon_ext.testing"}

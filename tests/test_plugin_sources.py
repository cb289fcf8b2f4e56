"""What a recipe's identity has of the code that it names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from supcon_ext.plugin_sources import (
    code_digest,
    plugin_digest,
    plugin_digests,
    source_digest,
)
from supcon_ext.recipe import list_recipes, load_recipe, parse_recipe
from tests.cli.test_recipe_commands import GOOD
from tests.fresh import start

PART = """
from supcon_ext.selectors import PositiveSelector, selector

@selector("mine")
class Mine(PositiveSelector):
    def targets(self, pairs):
        return pairs.same("label")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_recipes_that_ship_name_no_other_code() -> None:
    for shipped in list_recipes():
        if not shipped.is_sweep:
            assert plugin_digest(load_recipe(shipped.name)) == ""


def test_a_module_counts_with_what_it_imports_beside_it(folder: Path) -> None:
    (folder / "one.py").write_text("def f():\n    from two import g\n")
    (folder / "two.py").write_text("import three.deep, json\n")
    (folder / "three").mkdir()
    (folder / "three" / "__init__.py").write_text("")
    (folder / "three" / "deep.py").write_text("x = 1\n")
    (folder / "stranger.py").write_text("x = 1\n")
    seen = {source_digest("one")}
    (folder / "stranger.py").write_text("x = 2\n")
    assert source_digest("one") in seen
    for name in ("one.py", "two.py", "three/deep.py", "three/__init__.py"):
        with (folder / name).open("a") as file:
            file.write("y = 1\n")
        seen.add(source_digest("one"))
    assert len(seen) == 5
    assert "one" not in sys.modules


def test_a_package_counts_whole_and_an_installed_one_by_its_version(folder: Path) -> None:
    (folder / "pack" / "inner").mkdir(parents=True)
    (folder / "pack" / "__init__.py").write_text("")
    seen = {source_digest("pack")}
    (folder / "pack" / "inner" / "new.py").write_text("")
    seen.add(source_digest("pack"))
    (folder / "pack" / "inner" / "new.py").rename(folder / "pack" / "inner" / "other.py")
    seen.add(source_digest("pack"))
    assert len(seen) == 3
    assert source_digest("numpy").startswith("version ")
    assert len(source_digest("yaml")) == 64  # installed as PyYAML
    with pytest.raises(ValueError, match="nowhere"):
        source_digest("no_such_module_at_all")
    assert len(code_digest()) == 64


def named(way: str) -> None:
    sys.path.insert(0, ".")
    Path("mine.yaml").write_text(GOOD)
    Path("parts.py").write_text(PART)
    kind = "mine" if way == "plugins" else "parts.Mine"
    changes = [f"stages.one.objective=[{{contrastive: {{selector: {kind}}}}}]"]
    if way == "plugins":
        changes.append("plugins=[parts]")
    recipe = load_recipe("mine.yaml", changes)
    assert set(plugin_digests(recipe)) == {"parts"}
    before = plugin_digest(recipe)
    assert plugin_digest(parse_recipe(recipe.model_dump(mode="json"))) == before
    Path("parts.py").write_text(PART + "# changed\n")
    assert plugin_digest(recipe) != before


@pytest.mark.parametrize("way", ["plugins", "dotted"])
def test_a_part_by_plugin_and_by_dotted_path(tmp_path: Path, way: str) -> None:
    fresh = start(named, way, cwd=tmp_path)
    assert fresh.wait() == 0, fresh.stderr

"""``recipes``, ``validate``, ``show``, ``components`` and ``schema``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from supcon_ext.cli import main
from supcon_ext.recipe import load_recipe, resolve
from supcon_ext.recipe.reading import read_text
from tests import fresh

GOOD = """\
name: mine
stages:
  - name: one
    epochs: 2
    objective: [contrastive]
    optimizer: {kind: sgd, lr: 0.1}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(GOOD + "sed: 1\n")
    return tmp_path


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_validate_a_good_recipe() -> None:
    result = supcon("validate", "mine.yaml", "seed=3")
    assert (result.exit_code, result.stdout) == (0, "mine.yaml: no problems\n")


def test_validate_a_bad_recipe() -> None:
    result = supcon("validate", "bad.yaml", "stages.one.epochs=0")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        "bad.yaml: 1 problem\n"
        "  line 7  sed  Unknown key. Did you mean `seed`?\n"
        "command line: 1 problem\n"
        "  stages.one.epochs=0  Expected a value of at least 1, but got 0.\n"
    )


def test_validate_as_json() -> None:
    result = supcon("validate", "bad.yaml", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "valid": False,
        "problems": [
            {
                "file": "bad.yaml",
                "line": 7,
                "path": "sed",
                "message": "Unknown key.",
                "suggestion": "Did you mean `seed`?",
            }
        ],
        "warnings": [],
    }
    good = supcon("validate", "mine.yaml", "--json")
    assert good.exit_code == 0
    assert json.loads(good.stdout) == {"valid": True, "problems": [], "warnings": []}


def test_validate_a_file_that_is_not_there() -> None:
    result = supcon("validate", "mime.yaml")
    assert result.exit_code == 2
    assert "`mine.yaml`" in result.stderr


def test_validate_the_quickstart() -> None:
    assert supcon("validate", "quickstart").exit_code == 0


def test_show_is_a_recipe_with_origins() -> None:
    result = supcon("show", "mine.yaml", "seed=3")
    assert result.exit_code == 0
    assert read_text(result.stdout).value == resolve(load_recipe("mine.yaml", ["seed=3"]))
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["seed:", "3", "#", "override"] in lines
    assert ["epochs:", "2", "#", "mine.yaml:4"] in lines
    assert ["batch_size:", "256", "#", "default"] in lines


def test_show_as_json() -> None:
    result = supcon("show", "mine.yaml", "--json")
    assert json.loads(result.stdout) == resolve(load_recipe("mine.yaml"))


def test_show_a_sweep() -> None:
    result = supcon("show", "quickstart", "--json")
    assert result.exit_code == 0
    assert all(recipe["stages"] for recipe in json.loads(result.stdout).values())


def test_show_a_bad_recipe() -> None:
    result = supcon("show", "bad.yaml")
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_list_of_recipes() -> None:
    result = supcon("recipes")
    assert result.exit_code == 0
    assert any(line.startswith("quickstart ") for line in result.stdout.splitlines())
    assert all(line == line.rstrip() for line in result.stdout.splitlines())
    found = {info["name"]: info for info in json.loads(supcon("recipes", "--json").stdout)}
    assert Path(found["quickstart"]["path"]).is_file()


def test_copy_a_recipe(folder: Path) -> None:
    result = supcon("recipes", "copy", "quickstart", "new.yaml")
    assert (result.exit_code, result.stdout) == (0, "new.yaml\n")
    assert supcon("validate", "new.yaml").exit_code == 0
    again = supcon("recipes", "copy", "quickstart", "new.yaml")
    assert again.exit_code == 2
    assert again.stderr == (
        "Expected a new file, but new.yaml exists. Try: --force, or another name.\n"
    )
    assert supcon("recipes", "copy", "quickstart", "new.yaml", "--force").exit_code == 0


def test_components() -> None:
    result = supcon("components", "noise")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.startswith("  symmetric  ") for line in lines)
    assert any(line.split()[:3] == ["rate", "number", ">="] for line in lines)
    found = json.loads(supcon("components", "--json").stdout)
    assert {"dataset", "noise", "term", "selector"} <= {part["family"] for part in found}
    assert supcon("components", "nois").exit_code == 2


def test_components_of_plugins(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / f"{name}_of_mine.py").write_text(
            "from supcon_ext import PositiveSelector, selector\n"
            f"@selector('{name}_of_mine')\n"
            "class Mine(PositiveSelector):\n"
            f"    'Selector {name} of mine.'\n"
            "    def targets(self, pairs):\n"
            "        return pairs.same('label')\n".replace("Mine", name.title())
        )
    told = fresh.supcon(
        *("components", "selector", "--plugin", "one_of_mine", "--plugin", "two_of_mine"),
        cwd=folder,
    )
    assert told.wait() == 0, told.stderr
    for name in ("one", "two"):
        assert f"  {name}_of_mine  Selector {name} of mine." in told.stdout
        assert f"plug-in {name}_of_mine: {folder}/{name}_of_mine.py" in told.stderr
    assert "of_mine" not in fresh.supcon("components", "selector", cwd=folder).stdout


def test_schema(folder: Path) -> None:
    printed = json.loads(supcon("schema").stdout)
    result = supcon("schema", "--write", "s.json")
    assert (result.exit_code, result.stdout) == (0, "s.json\n")
    assert json.loads((folder / "s.json").read_text()) == printed
    assert supcon("schema", "--write", "no/such/folder/s.json").exit_code == 2


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("run",), ("show", "mine.yaml", "--nonsense")]
)
def test_a_wrong_command_line(arguments: tuple[str, ...]) -> None:
    result = supcon(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr

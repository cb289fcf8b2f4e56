"""Shipped recipes: found by path and by name, listed by their heads, copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from supcon_ext.recipe import RecipeError, library, load_recipe
from supcon_ext.recipe.library import copy_recipe, find_recipe, is_sweep, list_recipes

STAGES = """\
stages:
  - {name: one, epochs: 1, objective: [contrastive], optimizer: {kind: sgd, lr: 0.1}}
"""


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "shipped"
    texts = {
        "quickstart.yaml": "# cost: a minute\n# result: 0.9\nname: quick\n"
        "description: |\n  First line.\n  Second.\n" + STAGES,
        "selcl/cifar10.yaml": "name: selcl-cifar10\nextends: ../quickstart.yaml  # the base\n",
        "bcl/cifar10.yaml": "name: bcl-cifar10\ndescription: 'On CIFAR: BCL'\n" + STAGES,
        "sweeps/rates.yaml": "name: rates\nrecipe: quickstart\ngrid: {seed: [0, 1]}\n",
        "broken.yaml": "name: [\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(library, "recipes_root", lambda: root)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return root


def test_the_list(shipped: Path) -> None:
    found = {info.name: info for info in list_recipes()}
    assert list(found) == ["bcl/cifar10", "broken", "quickstart", "selcl/cifar10", "sweeps/rates"]
    quick = found["quickstart"]
    assert (quick.title, quick.description) == ("quick", "First line.")
    assert (quick.cost, quick.result, quick.is_sweep) == ("a minute", "0.9", False)
    assert found["bcl/cifar10"].description == "On CIFAR: BCL"
    assert found["sweeps/rates"].is_sweep
    assert found["broken"].title == ""


@pytest.mark.parametrize("name", ["quickstart", "quick"])
def test_by_name(shipped: Path, name: str) -> None:
    assert find_recipe(name) == shipped / "quickstart.yaml"


def test_by_path_below_the_root(shipped: Path) -> None:
    assert find_recipe("selcl/cifar10") == shipped / "selcl" / "cifar10.yaml"
    assert find_recipe("selcl-cifar10") == shipped / "selcl" / "cifar10.yaml"


def test_a_file_of_a_shipped_name_is_told(shipped: Path) -> None:
    Path("quickstart").write_text("name: mine\n")
    with pytest.raises(RecipeError, match=r"fits\s2:\srecipe\s\./quickstart,\srecipe\s+/"):
        find_recipe("quickstart")
    for name in ("./quickstart", Path("quickstart"), Path("quickstart").absolute()):
        assert find_recipe(name) == Path(name)
    assert find_recipe(str(shipped / "quickstart.yaml")) == shipped / "quickstart.yaml"


def test_one_name_of_several(shipped: Path) -> None:
    with pytest.raises(RecipeError, match=r"(?s)`cifar10` fits.*bcl/cifar10, recipe\s+selcl/"):
        find_recipe("cifar10")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("quikstart", "quickstart"),
        ("selcl/cifar1O", "selcl/cifar10"),
        ("recipes/rates.yaml", "sweeps/rates"),
    ],
)
def test_names_that_are_near(shipped: Path, wrong: str, near: str) -> None:
    with pytest.raises(RecipeError) as caught:
        find_recipe(wrong)
    assert f"`{near}`" in caught.value.problems[0].suggestion


def test_a_folder_is_no_recipe(shipped: Path) -> None:
    with pytest.raises(RecipeError, match="this is a folder"):
        find_recipe(shipped)


def test_is_sweep(shipped: Path) -> None:
    assert is_sweep(shipped / "sweeps" / "rates.yaml")
    assert not is_sweep(shipped / "quickstart.yaml")


def test_a_copy_keeps_comments_and_finds_what_it_extends(shipped: Path) -> None:
    assert copy_recipe("quickstart") == Path("quickstart.yaml")
    assert Path("quickstart.yaml").read_text() == (shipped / "quickstart.yaml").read_text()
    copy = copy_recipe("selcl/cifar10", Path("new/mine.yaml"))
    assert copy.read_text() == "name: selcl-cifar10\nextends: quickstart  # the base\n"
    assert load_recipe(copy).name == "selcl-cifar10"


def test_a_copy_overwrites_only_by_force(shipped: Path) -> None:
    Path("mine.yaml").write_text("precious")
    with pytest.raises(ValueError, match=r"Expected a new file, but mine\.yaml exists"):
        copy_recipe("quickstart", Path("mine.yaml"))
    assert Path("mine.yaml").read_text() == "precious"
    copy_recipe("quickstart", Path("mine.yaml"), force=True)
    assert Path("mine.yaml").read_text() != "precious"

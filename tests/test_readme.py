"""The README is true: its code runs, its tables and commands are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from supcon_ext.cli import main
from supcon_ext.recipe import recipes_root
from supcon_ext.recipe.components import list_components, markdown_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


def test_python_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), names)  # the registry keeps what it defines
    assert (tmp_path / "runs").is_dir()


def test_the_table_of_components_is_the_programs() -> None:
    table = re.search(
        r"<!-- supcon components --markdown -->\n(.*?)<!-- end -->", README, flags=re.S
    )
    shipped = [c for c in list_components() if not is_of_a_test(c.family, c.name)]
    assert table is not None and table[1] == markdown_table(shipped)


def is_of_a_test(family_name: str, name: str) -> bool:
    from data_tools.registry import family

    module = family(family_name).get(name).target.__module__
    return not module.startswith(("supcon_ext.", "data_tools."))


def test_every_command_is_there() -> None:
    commands = re.findall(r"`supcon\s(\w+)", README)
    assert set(commands) == set(main.commands)


def test_the_two_commands_name_what_exists() -> None:
    quickstart, tests = blocks("sh")
    assert quickstart.count("\n") == tests.count("\n") == 1
    assert "supcon run quickstart" in quickstart
    assert (recipes_root() / "quickstart.yaml").is_file()
    assert '".[test]"' in tests and "pytest" in tests
    assert (ROOT / ".ci" / "run").read_text().count("README.md") >= 1


@pytest.mark.parametrize("page", ["README.md", "recipes/RESULTS.md"])
def test_pictures_and_linked_files_are_there(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\((.*?)\)", text) if "://" not in link]
    assert links
    for link in links:
        found = ((ROOT / page).parent / link).read_bytes()
        assert not link.endswith(".png") or found[:4] == b"\x89PNG"


def test_results_are_of_sweeps_that_ship() -> None:
    text = (ROOT / "recipes" / "RESULTS.md").read_text()
    names = re.findall(r"`supcon sweep (sweeps/\S+)", text)
    assert names and all((recipes_root() / f"{name}.yaml").is_file() for name in names)


@pytest.mark.long
def test_the_quickstart_runs_and_prints_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["stages.train.epochs=2", "tracking.uri=none", "data.dataset.size=8"]
    result = CliRunner().invoke(main, ["run", "quickstart", *overrides], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    methods = ("cross_entropy", "supcon", "sel_cl", "bcl", "sel_cl_bcl")
    for text in (*methods, "balanced", "worst", "knn accuracy", "ece", "runs/"):
        assert text in result.output
    table = [line for line in result.output.splitlines() if line[:1] in ("┏", "┃", "│")]
    assert table and max(map(len, table)) <= 100


def test_recipes_name_only_what_ships() -> None:
    for path in recipes_root().rglob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        assert values["name"] and values["description"], path
        assert "# cost:" in path.read_text(), path

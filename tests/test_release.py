"""What would be released: wheel and sdist, installed in a clean environment, and what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSIDE = (
    "supcon_ext/py.typed",
    "supcon_ext/__init__.pyi",
    "supcon_ext/audit/page.html",
    "supcon_ext/report/page.html",
    "supcon_ext/report/page.css",
    "supcon_ext/report/page.js",
    "supcon_ext/experiment/__init__.pyi",
    "supcon_ext/synthetic/report.html",
    "supcon_ext/_recipes/quickstart.yaml",
    "supcon_ext/_recipes/default.yaml",
    "supcon_ext/_recipes/selcl/folder.yaml",
    "supcon_ext/_recipes/sweeps/noise-digits.yaml",
    "data_tools/py.typed",
)


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it, as `python -m build` does."""
    dist = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT)
    run(*command, cwd=dist)
    return dist


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)


def test_the_changelog_is_in_order() -> None:
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert heads[0] == "[Unreleased]" and len(heads) == len(set(heads))
    versions = [head.split("]")[0].strip("[") for head in heads[1:]]
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(numbers, reverse=True)


def test_every_bound_is_met_here_and_test_has_what_the_extras_have() -> None:
    """What is tested is the newest of what is declared; `docs` and `test` name one Sphinx."""
    from importlib.metadata import version

    extras = PROJECT["optional-dependencies"]
    for text in PROJECT["dependencies"]:
        needed = Requirement(text)
        assert needed.specifier and needed.specifier.contains(version(needed.name)), text
    assert set(extras["docs"]) <= set(extras["test"])


@pytest.mark.long
def test_what_is_in_the_wheel(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(INSIDE) <= names
    shipped = {str(path.relative_to(ROOT / "recipes")) for path in ROOT.glob("recipes/**/*.yaml")}
    assert {f"supcon_ext/_recipes/{name}" for name in shipped} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"supcon_ext", "data_tools", f"supcon_ext-{PROJECT['version']}.dist-info"}
    tracked = run("git", "ls-files", "supcon_ext", "data_tools", cwd=ROOT).split()
    assert set(tracked) <= names


@pytest.mark.long
def test_what_is_in_the_sdist(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("supcon_ext", "data_tools", "recipes", "examples", "docs", "tests")
    tracked = run("git", "ls-files", *folders, cwd=ROOT).split()
    files = {"README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE"}
    assert {*tracked, *files, "pyproject.toml", "PKG-INFO"} <= names


@pytest.mark.long
def test_the_metadata_is_valid(built: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=built)
    (wheel,) = built.glob("*.whl")
    (name,) = (n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA"))
    told = HeaderParser().parsestr(zipfile.ZipFile(wheel).read(name).decode())
    assert told["Version"] == PROJECT["version"] and told["License-Expression"] == "Apache-2.0"
    assert SpecifierSet(told["Requires-Python"]) == SpecifierSet(PROJECT["requires-python"])
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_wheel_works_in_a_clean_environment(built: Path, tmp_path: Path) -> None:
    """Dependencies are those that are here; of the package there is the wheel alone."""
    clean = tmp_path / "clean"
    venv.create(clean)
    python = clean / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", python)  # a pip of its own takes ten seconds
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (site,) = clean.glob("lib/python*/site-packages")
    (site / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    supcon, alone = clean / "bin" / "supcon", {"PYTHONPATH": ""}
    where = "import supcon_ext, data_tools; print(supcon_ext.__file__, data_tools.__file__)"
    places = run(python, "-c", where, cwd=tmp_path, **alone).split()
    assert len(places) == 2 and all(place.startswith(str(clean)) for place in places)
    assert PROJECT["version"] in run(supcon, "--version", cwd=tmp_path, **alone)
    found = json.loads(run(supcon, "recipes", "--json", cwd=tmp_path, **alone))
    assert len(found) == len(list(ROOT.glob("recipes/**/*.yaml")))
    short = ("stages.train.epochs=1", "data.dataset.size=8", "tracking.uri=none")
    told = run(supcon, "run", "supcon/digits", *short, cwd=tmp_path, **alone)
    assert "runs/supcon-digits" in told
    page = run(supcon, "audit", *tmp_path.glob("runs/supcon-digits-*"), cwd=tmp_path, **alone)
    assert "labels look wrong" in page

"""`trust: RUN` of a source in a recipe: what a finished run believes is what generators see."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from supcon_ext.cli import main
from supcon_ext.recipe.families import load_families
from supcon_ext.training.checkpoint import LAST
from tests.experiment.members import recipe, stage
from tests.fresh import Fresh, supcon
from tests.synthetic.remembering import SEEN, doubted

COUNT = 80


def written(folder: Path, name: str, selector: str = "label", **data: Any) -> str:
    """A recipe of that name, with this data."""
    load_families()
    first = stage(0, "label", "uniform", epochs=1)
    first["objective"] = [{"contrastive": {"selector": selector}}]
    made = recipe([first], name=name)
    made["plugins"] = [*made["plugins"], "tests.synthetic.remembering"]
    made["data"] |= data
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(made))
    return f"{name}.yaml"


def run(folder: Path, *recipe: str, **data: Any) -> Fresh:
    """`supcon run` of it, in a fresh process."""
    name = written(folder, *recipe, **data)
    return supcon("run", name, cwd=folder, env={"XDG_CACHE_HOME": str(folder / "cache")})


def filled(trust: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"kind": "generated", "generator": "remembering", "per_class": 2, "trust": trust, **more}
    ]


def one_run(folder: Path) -> Path:
    (found,) = (folder / "runs").glob("first-*")
    return found


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run whose selector doubts some samples and drops others."""
    folder = tmp_path_factory.mktemp("trust")
    for name, selector in (("first", "doubts_some"), ("trusting", "label")):
        done = run(folder, name, selector)
        assert done.wait() == 0, done.stderr
    return folder


@pytest.fixture
def place(after: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test."""
    return Path(shutil.copytree(after, tmp_path / "work"))


def seen(folder: Path) -> list[list[int]]:
    return [json.loads(line)[1] for line in (folder / SEEN).read_text().splitlines()]


def test_a_generator_sees_what_the_run_trusts_and_nothing_else(place: Path) -> None:
    for trust in (str(one_run(place)), "first-"):
        done = run(place, "second", synthetic=filled(trust))
        assert done.wait() == 0, done.stderr
    expected = sorted(set(range(COUNT)) - set(doubted(COUNT).tolist()))
    assert seen(place) == [expected]  # the second takes what was made
    assert "8 synthetic" in done.stderr
    moved = place / "elsewhere"
    one_run(place).rename(moved)
    done = run(place, "third", synthetic=filled(str(moved), per_class=3))
    assert done.wait() == 0, done.stderr
    assert seen(place) == [expected, expected]


def test_the_command_line_sees_the_same(place: Path) -> None:
    command = ("generate", "remembering", "-o", "made", "--data", "first.yaml")
    done = supcon(
        *command, "--plugin", "tests.synthetic.remembering", "--trust", "first-", cwd=place
    )
    assert done.wait() == 0, done.stderr
    assert seen(place) == [sorted(set(range(COUNT)) - set(doubted(COUNT).tolist()))]


def unfinished(folder: Path) -> str:
    (one_run(folder) / "results.json").unlink()
    return str(one_run(folder))


def moved(folder: Path) -> str:
    was = str(one_run(folder))
    one_run(folder).rename(folder / "elsewhere")
    return was


def no_run(folder: Path) -> str:
    (folder / "empty").mkdir()
    return str(folder / "empty")


def trusting(folder: Path) -> str:
    return "trusting-"


def damaged(folder: Path) -> str:
    path = one_run(folder) / "checkpoints" / LAST
    path.write_bytes(path.read_bytes()[:-100])
    return str(one_run(folder))


def without_checkpoint(folder: Path) -> str:
    (one_run(folder) / "checkpoints" / LAST).unlink()
    return str(one_run(folder))


@pytest.mark.parametrize("whose", ["generator", "filter", "nobody"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda folder: "first-", "was trained on other labels, samples or splits"),
        (no_run, "Expected a run's folder or name"),
        (unfinished, "Expected a finished run"),
        (moved, "Expected a run's folder or name"),
        (trusting, "Expected a run whose selector doubts some labels"),
        (damaged, "the file is damaged"),
        (without_checkpoint, "Expected a checkpoint at"),
        (lambda folder: "", "Expected a run's folder or name"),
    ],
)
def test_a_run_that_cannot_be_believed(
    place: Path, wrong: Any, message: str, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    trust, before = wrong(place), sorted((place / "runs").glob("*"))
    data = {} if "other labels" not in message else {"noise": {"kind": "symmetric", "rate": 0.2}}
    fine, chain = {"kind": "few_made"}, [{"kind": "top_k", "k": 5}]
    believing = {
        "generator": filled(trust)[0],
        "filter": {**fine, "trust": trust, "filters": chain},
        "nobody": {**fine, "trust": trust},
    }[whose]
    name = written(place, "second", synthetic=[fine, believing], **data)
    result = CliRunner().invoke(main, ["run", name])
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("data.synthetic.1.trust: ") and message in line
    assert sorted((place / "runs").glob("*")) == before and not (place / SEEN).exists()

"""With --json, every command that prints a table prints one JSON document and nothing else."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from supcon_ext.cli import main
from tests.experiment.tiny import recipe

NO_TABLE = {
    "embed": "writes vectors, and says in a line where",
    "export": "writes files, and says in two lines which and how exact they are",
    "generate": "writes pictures, and says in a line where",
    "report": "writes a page, and says in a line where",
    "schema": "prints JSON as it is",
    "sync": "sends, and says in a line what",
    "completion": "prints a program of the shell",
    "recipes copy": "writes a file, and says in a line where",
    "runs remove": "removes, and says in a line what",
}
CASES: dict[str, tuple[tuple[str, ...], type]] = {
    "run": (("run", "tiny.yaml", "seed=1"), dict),
    "run --dry-run": (("run", "tiny.yaml", "--dry-run"), dict),
    "run a sweep": (("run", "sweep.yaml"), dict),
    "resume": (("resume", "one"), dict),
    "sweep": (("sweep", "sweep.yaml"), dict),
    "runs": (("runs",), list),
    "compare": (("compare", "one"), dict),
    "audit": (("audit", "one"), dict),
    "audit --apply": (("audit", "one", "--apply", "new.csv", "--force", "--yes"), dict),
    "predict": (("predict", "one", "pictures", "-o", "out.csv", "--force"), dict),
    "evaluate": (("evaluate", "one", "--by", "knn"), dict),
    "filter": (
        ("filter", "made.csv", "--by", "readable", "--real", "tiny.yaml", "-o", "good.csv"),
        dict,
    ),
    "recipes": (("recipes",), list),
    "show": (("show", "tiny.yaml"), dict),
    "show a sweep": (("show", "sweep.yaml"), dict),
    "validate": (("validate", "tiny.yaml"), dict),
    "validate --data": (("validate", "tiny.yaml", "--data"), dict),
    "components": (("components", "noise"), list),
    "doctor": (("doctor", "--uri", "none"), list),
}


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        here = f"{path} {name}".strip()
        yield here, command
        if isinstance(command, click.Group):
            yield from leaves(command, here)


COMMANDS = dict(leaves(main))


def has_json(command: click.Command) -> bool:
    return any("--json" in parameter.opts for parameter in command.params)


def test_every_command_says_whether_it_prints_a_table() -> None:
    with_json = {path for path, command in COMMANDS.items() if has_json(command)}
    assert with_json == set(COMMANDS) - set(NO_TABLE)
    assert with_json == {arguments[0] for arguments, _ in CASES.values()}
    for path in NO_TABLE:
        callback: Any = COMMANDS[path].callback
        text = inspect.getsource(inspect.unwrap(callback))
        assert "print_table" not in text and "print_results" not in text, path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, its recipe, a sweep, and pictures."""
    top = tmp_path_factory.mktemp("json")
    stage = {"name": "a", "epochs": 1, "objective": ["cross_entropy"]}
    made = recipe(stages=[stage], evaluation=["knn", "classifier"], model={"backbone": "conv4"})
    (top / "tiny.yaml").write_text(yaml.safe_dump(made, sort_keys=False))
    made.pop("name")
    sweep = {"name": "few", "recipe": made, "grid": {"data.noise.rate": [0.2]}}
    (top / "sweep.yaml").write_text(yaml.safe_dump(sweep, sort_keys=False))
    draw = np.random.default_rng(0)
    lines = ["path,caption,class,seed"]
    for number in range(3):
        pixels = draw.integers(0, 256, (8, 8), dtype=np.uint8)
        (top / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(top / "pictures" / f"{number}.png")
        lines.append(f"pictures/{number}.png,a {number},{number},{number}")
    (top / "made.csv").write_text("\n".join(lines) + "\n")
    return top


def supcon(*arguments: str) -> str:
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, (told.exit_code, told.output[-2_000:], told.exception)
    return told.stdout


@pytest.fixture(autouse=True)
def at_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    if not (place / "one").exists():
        told = json.loads(supcon("run", "tiny.yaml", "--json"))
        assert told["results"]["epochs"] == 1
        Path(told["folder"]).rename(place / "one")


def no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@pytest.mark.parametrize("case", CASES)
def test_one_document_and_nothing_else(case: str) -> None:
    arguments, kind = CASES[case]
    made = json.loads(supcon(*arguments, "--json"), parse_constant=no_constant)
    assert isinstance(made, kind) and made


def test_the_numbers_are_the_tables(place: Path) -> None:
    written = json.loads((place / "one" / "results.json").read_text())
    assert json.loads(supcon("resume", "one", "--json"))["results"] == written
    accuracy = written["last"]["test"]["knn"]["accuracy"]
    row = json.loads(supcon("compare", "one", "--json"))["rows"][0]
    assert row["metrics"]["accuracy"] == {"mean": accuracy, "std": None, "n": 1}
    again = json.loads(supcon("evaluate", "one", "--by", "knn", "--json"))
    assert again["results"]["last"]["test"]["knn"]["accuracy"] == accuracy

"""Every command, given what it cannot use: exit status 2, a sentence, and no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from supcon_ext.cli import main
from tests.use import toy

RECIPE = (
    "missing.yaml",
    "folder",
    "",
    "no/such/folder/a.yaml",
    "a\0b",
    "x" * 5_000,
    "pipe",
    "text",
)
RUN = (
    "missing",
    "folder",
    "",
    "no/such/folder",
    "a\0b",
    "x" * 5_000,
    "pipe",
    "text",
    "recipe.yaml",
)
PLACES = ("no/such/folder/out", "text/out", "folder", "x" * 5_000)
WITH_ONE: dict[str, tuple[tuple[str, ...], ...]] = {
    "run": tuple((name,) for name in RECIPE),
    "sweep": tuple((name,) for name in (*RECIPE, "recipe.yaml", "supcon/digits")),
    "validate": tuple((name,) for name in RECIPE),
    "show": tuple((name,) for name in RECIPE),
    "resume": tuple((name,) for name in RUN),
    "sync": tuple((name,) for name in RUN),
    "compare": tuple((name,) for name in (*RUN, "supcon/digits")),
    "audit": tuple((name,) for name in RUN[:-1]),
    "embed": (
        *((encoder, "folder", "-o", "x.npz") for encoder in ("", "timm:", "timm:nonsense", "a.b")),
        *(("timm:resnet18", data, "-o", "x.npz") for data in ("nonsense", "text", "folder", "")),
        ("timm:resnet18", "folder", "-o", "x.jpg"),
    ),
    "predict": (
        *((name, "folder", "-o", "x.csv") for name in (*RUN, "models:/a/1", "runs:/b", "none:/c")),
        ("model", "missing", "-o", "x.csv"),
        *(("model", data, "-o", "x.csv") for data in ("folder", "", "text", "pipe", "x" * 5_000)),
        *(("model", "picture.png", "-o", place) for place in (*PLACES, "text", "x.npz", "")),
    ),
    "evaluate": (
        *((name, "--data", "folder") for name in RUN[:-1]),
        ("model", "--data", "folder"),
    ),
    "export": (
        *((name, "--format", "onnx", "-o", "out") for name in (*RUN, "models:/a/1", "runs:/b")),
        *(("model", "--format", "safetensors", "-o", place) for place in (*PLACES[:2], PLACES[3])),
        *(
            ("model", "--format", "torch_export", "-o", "out", "--data", data)
            for data in ("folder", "", "text", "missing", "x" * 5_000)
        ),
        ("model", "--format", "timm", "-o", "out"),
        ("model", "--format", "pickle", "-o", "out"),
    ),
    "filter": (
        *(
            (manifest, "--by", "readable", "--real", "supcon/digits", "-o", "x.csv")
            for manifest in ("", "nonsense", "folder", "text")
        ),
        ("text", "--by", "no_such", "--real", "supcon/digits", "-o", "x.csv"),
        ("text", "--by", "readable", "--real", "nonsense", "-o", "x.csv"),
    ),
    "generate": (
        *((name, "-o", "made", "--captions", "1") for name in ("", "nonsense", "folder", "text")),
        ("procedural", "-o", "made", "--captions", "no such file"),
    ),
    "recipes copy": (
        *((name,) for name in RECIPE if name != "text"),
        *(("quickstart", place) for place in ("text/out", "recipe.yaml", "x" * 5_000)),
    ),
    "components": (
        ("nois",),
        ("",),
        ("--plugin", "no_such"),
        ("--plugin", ""),
        ("--plugin", "..a"),
    ),
    "schema": tuple(("--write", place) for place in PLACES),
    "recipes": (("nonsense",),),
    "doctor": (("extra",),),
    "report": (
        *((name,) for name in RUN),
        ("model", "-o", "x.html"),
    ),
    "completion": (("tcsh",), ("",), ("bash", "zsh")),
    "runs": (("nonsense",), *(("--in", name) for name in RUN if name not in ("", "folder"))),
    "runs remove": (
        *((name, "--yes") for name in RUN),
        (),
        ("model", "--yes"),
        ("folder", "model", "--yes"),
    ),
}
CASES = [(command, given) for command, cases in WITH_ONE.items() for given in cases]
WRONG_OVERRIDES = (
    "seed",
    "=1",
    "seed=x",
    "sed=1",
    "seed=[",
    "stages.9.epochs=1",
    "data.noise=os.path",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("some words\n")
    (tmp_path / "recipe.yaml").write_text(
        "name: mine\nstages: [{name: a, epochs: 1, objective: [contrastive]}]\n"
    )
    os.mkfifo(tmp_path / "pipe")
    toy.write(tmp_path / "model", toy.context())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    return tmp_path


def refused(*arguments: str) -> str:
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 2, (told.exit_code, told.output[-2_000:], told.exception)
    assert told.exception is None or isinstance(told.exception, SystemExit)
    assert "Traceback" not in told.output and "Errno" not in told.stderr
    assert told.stdout == "" and told.stderr.strip()
    return told.stderr


@pytest.mark.parametrize(
    ("command", "given"), CASES, ids=[f"{c} {' '.join(g)[:20]!r}" for c, g in CASES]
)
def test_what_a_command_cannot_use(command: str, given: tuple[str, ...], folder: Path) -> None:
    refused(*command.split(), *given)
    assert {path.name for path in folder.iterdir()} == {
        "folder",
        "text",
        "recipe.yaml",
        "pipe",
        "model",
    }


@pytest.mark.parametrize("command", ["run", "validate", "show", "sweep", "audit"])
@pytest.mark.parametrize("override", WRONG_OVERRIDES)
def test_a_wrong_override(command: str, override: str) -> None:
    name = "quickstart" if command == "sweep" else "supcon/digits"
    assert override in refused(command, name, override)


@pytest.mark.parametrize("path", sorted(main.commands))
def test_an_unknown_option_or_too_much(path: str) -> None:
    refused(path, "--nonsense")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", [(), *commands(main)], ids=" ".join)
def test_help_is_for_people(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*path, "--help"])
    assert told.exit_code == 0
    assert "\\" not in told.output and "\b" not in told.output and "``" not in told.output
    assert all(line == line.rstrip() and line.isprintable() for line in told.output.splitlines())
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    if command.epilog:  # its lines stand as they were written
        lines = [line.strip() for line in command.epilog.removeprefix("\b\n").splitlines()]
        assert all(line in [shown.strip() for shown in told.output.splitlines()] for line in lines)


def test_every_command_is_tried() -> None:
    tried = {command.split()[0] for command in WITH_ONE}
    assert tried == set(main.commands)

"""A name that could be several things is told by every command, with how to say each of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pandas
import pytest
import yaml
from click.testing import CliRunner, Result

from supcon_ext import experiment, sweep
from supcon_ext.cli import main
from supcon_ext.meanings import Meaning, SeveralMeaningsError, as_path, is_path, one_meaning
from supcon_ext.recipe.library import recipes_root
from tests.audit.coloured import recipe
from tests.cli.test_json import COMMANDS
from tests.embed import pictures
from tests.runs import made
from tests.use import toy

OUT = ("-o", "made")
CONV4 = "supcon_ext.models.backbones.conv4.conv4"
FILTER = ("filter", "synthetic.csv", "--by", "near_duplicates", "-o", "made.csv")
CALLS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("run", "recipe"): ("recipe", ("run", "?")),
    ("sweep", "sweep_file"): ("recipe", ("sweep", "?")),
    ("show", "recipe"): ("recipe", ("show", "?")),
    ("validate", "recipe"): ("recipe", ("validate", "?")),
    ("recipes copy", "name"): ("recipe", ("recipes", "copy", "?", "--force")),
    ("resume", "run_name"): ("run", ("resume", "?")),
    ("sync", "run_name"): ("run", ("sync", "?")),
    ("report", "run"): ("run or sweep", ("report", "?", *OUT)),
    ("compare", "runs"): ("run or sweep", ("compare", "?")),
    ("runs remove", "names"): ("run or sweep", ("runs", "remove", "?")),
    ("audit", "subject"): ("recipe or run", ("audit", "?", "--apply", "new.csv")),
    ("predict", "run"): ("model", ("predict", "?", "classes", "-o", "made.csv")),
    ("predict", "data"): ("data", ("predict", "runs/ours", "?", "-o", "made.csv", "--force")),
    ("evaluate", "run"): ("run", ("evaluate", "?", "--data", "classes", "--by", "knn")),
    ("evaluate", "data"): ("data", ("evaluate", "runs/ours", "--data", "?", "--by", "classifier")),
    ("export", "run"): ("model", ("export", "?", "--format", "safetensors", *OUT)),
    ("export", "data"): (
        "data",
        ("export", "runs/ours", "--format", "safetensors", *OUT, "--data", "?"),
    ),
    ("embed", "encoder"): ("encoder", ("embed", "?", "classes", "-o", "made.npz", "--size", "8")),
    ("embed", "data"): ("data", ("embed", "runs/ours", "?", "-o", "made.npz", "--force")),
    ("filter", "real"): ("data", (*FILTER, "--real", "?")),
    ("filter", "encoder"): ("encoder", (*FILTER, "--real", "classes", "--encoder", "?", "--force")),
    ("generate", "generator"): ("generator", ("generate", "?", *OUT, "--captions", "no.txt")),
    ("generate", "data"): ("data", ("generate", "class_vae", *OUT, "--data", "?", "--captions=no")),
    ("generate", "trust"): (
        "trust",
        ("generate", "class_vae", *OUT, "--data", "mine.yaml", "--captions=no", "--trust", "?"),
    ),
}
"""How each command is called with what it takes by name, and what kind of name that is."""

NO_NAMES = {"overrides", "family", "shell", "manifest", "dest"}
"""Arguments that are keys, words of a list, or paths and nothing else."""

RUNS = {"same": "runs/same ./same", "on": "runs/on-1 runs/on-2"}
SEVERAL: dict[str, dict[str, str]] = {
    "run": {**RUNS, "sub/s0": "runs/sub/s0 ./sub/s0"},
    "run or sweep": {**RUNS, "few": "sweep runs/few-123456 run runs/fewer-s0"},
    "model": {**RUNS, "bare": "folder ./bare run runs/bare"},
    "recipe": {
        "quickstart": "./quickstart quickstart.yaml",
        "folder": "bcl/folder selcl/folder supcon/folder",
    },
    "recipe or run": {
        **RUNS,
        "quickstart": "./quickstart quickstart.yaml",
        "folder": "bcl/folder selcl/folder supcon/folder",
        "selcl-digits": "run runs/selcl-digits recipe selcl/digits",
        "cifar10-queue": "run runs/cifar10-queue-1 recipe supcon/cifar10-queue",
    },
    "encoder": {**RUNS, "conv4": f"run runs/conv4 backbone {CONV4}"},
    "data": {
        **RUNS,
        "digits": "folder ./digits data set {kind: digits}",
        "folder": "bcl/folder selcl/folder supcon/folder",
        "selcl-digits": "run runs/selcl-digits recipe selcl/digits",
        "cifar10-queue": "run runs/cifar10-queue-1 recipe supcon/cifar10-queue",
        "vectors": "data set {kind: vectors} run runs/vectors",
    },
    "generator": {
        "procedural": "folder ./procedural generator {kind: procedural}",
        "transform": "file ./transform generator {kind: transform}",
    },
    "trust": {**RUNS, "trusted": "file ./trusted run runs/trusted"},
}
"""By the kind of name: what means several things, and words of the answer."""

WHOLE = {
    "run": ("one",),
    "run or sweep": ("one",),
    "model": ("one",),
    "recipe": ("default",),
    "recipe or run": ("one", "bcl-digits"),
    "encoder": ("one", "resnet32"),
    "data": ("one", "cifar10"),
    "generator": ("class_vae",),
    "trust": ("one",),
}
"""Whole names that begin others: they mean one thing."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which much has the name of something else."""
    place = tmp_path_factory.mktemp("meanings")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        paths = pictures.by_class(Path("classes"), 6)
        lines = {"path": map(str, paths[:6]), "class": ["a"] * 6, "caption": "x"}
        pandas.DataFrame(lines).to_csv("synthetic.csv", index=False)
        Path("mine.yaml").write_text(
            yaml.safe_dump(recipe({"kind": "image_folder", "root": "classes", "test": 0.2}))
        )
        toy.finished(Path("runs/ours"), toy.context(), "digits", pictures.CLASSES)
        for name in (
            "same on-1 on-2 sub/s0 fewer-s0 bare selcl-digits cifar10-queue-1 conv4 vectors "
            "trusted one one-b bcl-digits-1 bcl-digits-2 resnet32-1 cifar10-1"
        ).split():
            made.run(Path("runs", name), "FAILED")
        made.run(Path("same"), "FAILED")
        made.run(Path("sub/s0"), "FAILED")
        made.sweep(Path("runs/few-123456"), "FINISHED")
        toy.write(Path("bare"), toy.context())
        for name in ("digits", "procedural"):
            Path(name).mkdir()
        for name in ("quickstart", "transform", "trusted"):
            Path(name).write_text("name: nothing\n")
    return place


class TrainedError(Exception):
    """The recipe would be run now."""


@pytest.fixture(autouse=True)
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A copy of it, in which nothing is trained."""
    shutil.copytree(place, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")

    def train(*_: object, **__: object) -> None:
        raise TrainedError

    monkeypatch.setattr(experiment, "run", train)
    monkeypatch.setattr(sweep, "run_sweep", train)
    monkeypatch.setattr("supcon_ext.use.evaluate.draw_reports", lambda *a: [])
    yield


def called(call: tuple[str, ...], text: str) -> Result:
    return CliRunner().invoke(main, [text if word == "?" else word for word in call], input="n\n")


def test_every_command_that_takes_a_name_is_here() -> None:
    options = {"data", "real", "encoder", "trust"}
    asking = {
        (path, str(parameter.name))
        for path, command in COMMANDS.items()
        for parameter in command.params
        if parameter.name in options
        or (isinstance(parameter, click.Argument) and parameter.name not in NO_NAMES)
    }
    assert asking == set(CALLS)
    assert set(SEVERAL) == set(WHOLE) == {kind for kind, _ in CALLS.values()}


several = [
    pytest.param(call, text, words, id=f"{' '.join(where)}-{text}")
    for where, (kind, call) in CALLS.items()
    for text, words in SEVERAL[kind].items()
]


@pytest.mark.parametrize(("call", "text", "words"), several)
def test_what_means_several_is_told_and_each_can_be_said(
    call: tuple[str, ...], text: str, words: str
) -> None:
    told = called(call, text)
    assert told.exit_code == 2, (told.output, told.exception)
    assert told.stdout == "" and "Traceback" not in told.stderr
    line = " ".join(told.stderr.split())
    for word in words.split():
        assert word in line
    assert f"`{text}` fits " in line and "Try: one of these as it is written here" in line
    found = re.search(r"fits (\d+): (.*)\. Try", line)
    assert found is not None
    each = re.findall(r"(?:run|sweep|recipe|folder|file|data set|backbone|generator) ", found[2])
    said = re.split("|".join(map(re.escape, each)), found[2])[1:]
    assert len(said) == int(found[1]) >= 2
    for one in said:
        again = called(call, one.strip().removesuffix(","))
        assert " fits " not in again.stderr, (one, again.stderr)
        assert f"but got `{one}`" not in again.stderr and "called" not in again.stderr


whole = [
    pytest.param(call, text, id=f"{' '.join(where)}-{text}")
    for where, (kind, call) in CALLS.items()
    for text in WHOLE[kind]
]


@pytest.mark.parametrize(("call", "text"), whole)
def test_a_whole_name_goes_before_the_beginning_of_one(call: tuple[str, ...], text: str) -> None:
    told = called(call, text)
    assert " fits " not in told.stderr and "but got `" not in told.stderr


@pytest.mark.parametrize(
    ("where", "text", "words"),
    [
        (
            ("audit", "subject"),
            "bcl-digits",
            "taken as the recipe bcl/digits. It is also a part of the name of the run "
            "runs/bcl-digits-1, or 1 others",
        ),
        (
            ("embed", "encoder"),
            "resnet32",
            "taken as the backbone supcon_ext.models.backbones.resnet_cifar.resnet32. It is also a "
            "part of the name of the run runs/resnet32-1",
        ),
    ],
)
def test_where_a_beginning_was_passed_over_a_line_says_so(
    where: tuple[str, str], text: str, words: str
) -> None:
    assert words in called(CALLS[where][1], text).stderr


def test_what_is_a_path_alone() -> None:
    for text in ("./one", "../one", "~/one", "/one", "."):
        assert is_path(text) and as_path(text) == text
    for text in ("one", "runs/one", ".one", "a./b"):
        assert not is_path(text) and as_path(text) == f"./{text}"


def test_many_meanings_are_counted_and_some_of_them_shown() -> None:
    found = [Meaning("run", f"runs/\x1b{number}", number, whole=False) for number in range(12)]
    with pytest.raises(SeveralMeaningsError) as caught:
        one_meaning("\x1bx", [*found, *found])
    assert "fits 12: run runs/\\x1b0, " in str(caught.value)
    assert str(caught.value).count("runs/") == 10 and "and 2 more" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert one_meaning("x", []) is None


def test_a_shipped_recipe_hidden_by_a_file_is_said_by_its_path() -> None:
    told = called(("show", "?"), "quickstart")
    assert str(recipes_root() / "quickstart.yaml") in told.stderr.replace("\n", " ")

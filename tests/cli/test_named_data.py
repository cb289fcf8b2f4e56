"""Every command that takes data, by every way to name them, good and bad."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest
import yaml
from click.testing import CliRunner, Result

from data_tools.vector_file import write_vectors
from supcon_ext.cli import main
from tests.audit.coloured import recipe
from tests.embed import pictures
from tests.use import toy

CLASSES = pictures.CLASSES
MODES = ("pictures", "vectors")
COMMANDS = ("embed", "predict", "evaluate", "export", "filter", "generate")
LONG = ("embed", "export", "generate")
"""Tried in the long run: they read data as `predict` and `filter` do."""

commands = [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in COMMANDS]
NEEDS_LABELS = ("evaluate", "filter")
NEEDS_PICTURES = ("embed", "filter", "generate")
"""With the encoder, the filter and the generator that are called here."""

NAMED: dict[str, tuple[str, ...]] = {
    "classes": ("classes",),
    "train and test": ("parted",),
    "no classes": ("flat",),
    "csv": ("listed/list.csv",),
    "jsonl": ("listed/list.jsonl",),
    "parquet": ("listed/list.parquet",),
    "no labels": ("bare.csv",),
    "recipe": ("mine.yaml",),
    "a key set": ("mine.yaml", "data.dataset.root=classes"),
    "shipped recipe": ("supcon/folder", "data.dataset.root=classes"),
    "data set": ("{kind: image_folder, root: classes}",),
    "run": ("runs/ours",),
    "name of a run": ("ours",),
    "npz": ("v.npz",),
    "vectors in parquet": ("v.parquet",),
    "vectors without labels": ("bare.npz",),
    "other channels": ("digits",),
}
UNLABELLED = ("no classes", "no labels", "vectors without labels")
VECTORS = ("npz", "vectors in parquet", "vectors without labels")
BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing there": (("nowhere",), "none called nowhere"),
    "no table there": (("nowhere.csv",), "nowhere.csv does not exist"),
    "no recipe there": (("nowhere.yaml",), "nowhere.yaml"),
    "no vectors there": (("nowhere.npz",), "nowhere.npz"),
    "an empty text": (("",), "an empty text"),
    "a long text": (("x" * 5_000,), "none called xxx"),
    "an empty folder": (("empty",), "Expected pictures in empty, but found none"),
    "another kind of file": (("notes.txt",), "notes.txt is a file of another kind"),
    "a pipe": (("pipe",), "pipe is no regular file"),
    "no recipe in it": (("no.yaml",), "no.yaml"),
    "a table without paths": (("other.csv",), "path"),
    "a sweep": (("quickstart",), "sweep"),
    "several recipes": (("folder",), "`folder` fits "),
    "no such data set": (("{kind: digitz}",), "digitz"),
    "no parameter of it": (("{kind: digits, sice: 3}",), "sice"),
    "a parameter missing": (("image_folder",), "root"),
    "no mapping": (("{kind: digits",), "{kind: NAME, parameter: value}"),
    "an unfinished run": (("runs/stopped",), "finished run"),
    "a key beside a folder": (("classes", "seed=1"), "no KEY=VALUE beside classes"),
    "a key beside a table": (("listed/list.csv", "seed=1"), "which is a table"),
    "a key beside vectors": (("v.npz", "seed=1"), "which is a file of vectors"),
    "a key beside a data set": (("digits", "seed=1"), "which is a data set"),
    "a key beside a run": (("runs/ours", "seed=1"), "which is a run"),
    "a wrong key": (("mine.yaml", "data.nois=1"), "data.nois=1"),
    "no key": (("mine.yaml", "another"), "another"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data of every kind, a run on pictures and one on vectors."""
    place = tmp_path_factory.mktemp("named")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        paths = pictures.by_class(Path("classes"), 6)
        pictures.split(Path("parted"))
        pictures.flat(Path("flat"))
        pictures.manifest(Path("listed"))
        table = pandas.read_csv("listed/list.csv")
        table.to_json("listed/list.jsonl", orient="records", lines=True)
        table.to_parquet("listed/list.parquet")
        pandas.DataFrame({"path": map(str, paths)}).to_csv("bare.csv", index=False)
        pandas.DataFrame({"picture": map(str, paths)}).to_csv("other.csv", index=False)
        written = recipe({"kind": "image_folder", "root": "parted"})
        Path("mine.yaml").write_text(yaml.safe_dump(written))
        draw = np.random.default_rng(0).normal(size=(18, 6)).astype(np.float32)
        label = np.arange(18) % 3
        write_vectors("v.npz", draw, label=label, classes=CLASSES)
        write_vectors("bare.npz", draw, split=["test"] * 18)
        pandas.DataFrame({"vectors": list(draw), "label": label}).to_parquet("v.parquet")
        toy.finished(Path("runs/ours"), toy.context(), written["data"]["dataset"], CLASSES)
        dataset = {"kind": "vectors", "file": "v.npz"}
        toy.finished(Path("runs/theirs"), toy.vectors(), dataset, CLASSES)
        toy.finished(Path("runs/stopped"), toy.context())
        Path("runs/stopped/results.json").unlink()
        Path("empty").mkdir()
        Path("notes.txt").write_text("nothing")
        Path("no.yaml").write_text("- a list\n")
        os.mkfifo("pipe")
        pandas.DataFrame({"path": map(str, paths[:6]), "class": ["a"] * 6, "caption": "x"}).to_csv(
            "synthetic.csv", index=False
        )
        yield place


@pytest.fixture(autouse=True)
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr("supcon_ext.use.evaluate.draw_reports", lambda *a: [])


def called(command: str, named: tuple[str, ...], mode: str, out: Path) -> Result:
    data, *keys = named
    run = "runs/ours" if mode == "pictures" else "runs/theirs"
    cpu = ["--device", "cpu"]
    words = {
        "embed": [run, data, *keys, "-o", f"{out}.npz", *cpu],
        "predict": [run, data, *keys, "-o", f"{out}.csv", *cpu],
        "evaluate": [run, *keys, "--data", data, "--by", "{kind: knn, k: 3}", *cpu],
        "export": [run, *keys, "--data", data, "--format", "safetensors", "-o", str(out)],
        "filter": ["synthetic.csv", *keys, "--real", data, "--by", "readable", "-o", f"{out}.csv"],
        "generate": ["transform", *keys, "--data", data, "-o", str(out), "--per-caption", "1"],
    }
    return CliRunner().invoke(main, [command, *words[command]])


def fits(command: str, how: str, mode: str) -> bool:
    """Whether a command can use what is named so."""
    if mode == "vectors" and command == "embed":
        return False  # its encoder was trained on vectors
    if how in UNLABELLED and command in NEEDS_LABELS:
        return False
    if command in NEEDS_PICTURES:
        return how not in VECTORS and (how != "other channels" or command == "generate")
    return how != "other channels" and (how in VECTORS) == (mode == "vectors")


@pytest.mark.parametrize("how", NAMED)
@pytest.mark.parametrize("command", commands)
def test_named_well(command: str, how: str, tmp_path: Path) -> None:
    for mode in MODES if command not in ("filter", "generate") else MODES[:1]:
        if mode == "vectors" and command == "embed":
            continue
        told = called(command, NAMED[how], mode, tmp_path / mode)
        if fits(command, how, mode):
            assert told.exit_code == 0, (mode, told.output[-2_000:], told.exception)
        else:
            refused(told)


def refused(told: Result) -> str:
    assert told.exit_code == 2, (told.output[-2_000:], told.exception)
    assert told.exception is None or isinstance(told.exception, SystemExit)
    assert told.stderr.strip() and "Traceback" not in told.output
    assert "Errno" not in told.stderr and told.stdout == ""
    return told.stderr


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("command", commands)
def test_named_badly(command: str, case: str, tmp_path: Path) -> None:
    named, words = BAD[case]
    stderr = refused(called(command, named, "pictures", tmp_path / "out"))
    assert words in stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["evaluate", "export", "generate"])
def test_keys_beside_no_data(command: str, tmp_path: Path) -> None:
    words = {
        "evaluate": ["runs/ours", "seed=1"],
        "export": ["runs/ours", "seed=1", "--format", "safetensors", "-o", f"{tmp_path}/out"],
        "generate": ["procedural", "seed=1", "-o", f"{tmp_path}/out", "--captions", "1"],
    }
    stderr = refused(CliRunner().invoke(main, [command, *words[command]]))
    assert "Expected --data RECIPE beside KEY=VALUE, but got seed=1 alone" in stderr


def test_every_command_with_data_is_here() -> None:
    asking = {
        name
        for name, command in main.commands.items()
        for parameter in command.params
        if parameter.name in ("data", "real")
    }
    assert asking == set(COMMANDS)

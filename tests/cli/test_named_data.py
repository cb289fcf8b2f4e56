"""Every command that takes data, by every way to name them, good and bad."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest
import yaml
from click.testing import CliRunner, Result

from data_tools.vector_file import read_vectors, write_vectors
from supcon_ext.cli import main
from tests.audit.coloured import recipe
from tests.embed import pictures
from tests.use import toy

CLASSES = pictures.CLASSES
MODES = ("pictures", "vectors")
COMMANDS = ("embed", "predict", "evaluate", "export", "filter", "generate")
LONG = ("embed", "export", "generate")
"""Tried in the long run: they read data as `predict` and `filter` do."""

pytestmark = pytest.mark.timeout(900)  # the first one makes the folder, and imports everything

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
    "test rows in csv": ("listed/held.csv",),
    "test rows in tsv": ("listed/held.tsv",),
    "test rows in jsonl": ("listed/held.jsonl",),
    "test rows in parquet": ("listed/held.parquet",),
    "test rows of a data set": ("{kind: manifest, file: listed/held.csv}",),
    "test rows of a recipe": ("held.yaml",),
    "test rows in npz": ("held.npz",),
    "test rows of vectors in parquet": ("held.parquet",),
}
HELD_OUT = tuple(how for how in NAMED if how.startswith("test rows"))
TRAINING = ("filter", "generate")
"""These use the training samples of what they are given."""
UNLABELLED = ("no classes", "no labels", "vectors without labels")
VECTORS = (
    "npz",
    "vectors in parquet",
    "vectors without labels",
    "test rows in npz",
    "test rows of vectors in parquet",
)
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
        held = table.assign(split="test")
        held.loc[::3, "split"] = "val"
        held.to_csv("listed/held.csv", index=False)
        held.to_csv("listed/held.tsv", index=False, sep="\t")
        held.to_json("listed/held.jsonl", orient="records", lines=True)
        held.to_parquet("listed/held.parquet")
        pandas.DataFrame({"path": map(str, paths)}).to_csv("bare.csv", index=False)
        pandas.DataFrame({"picture": map(str, paths)}).to_csv("other.csv", index=False)
        written = recipe({"kind": "image_folder", "root": "parted"})
        Path("mine.yaml").write_text(yaml.safe_dump(written))
        noisy = recipe({"kind": "manifest", "file": "listed/held.csv"})
        noisy["data"] |= {"noise": {"kind": "symmetric", "rate": 0.3}, "validation": 0.2}
        Path("held.yaml").write_text(yaml.safe_dump(noisy))
        draw = np.random.default_rng(0).normal(size=(18, 6)).astype(np.float32)
        label = np.arange(18) % 3
        write_vectors("v.npz", draw, label=label, classes=CLASSES)
        write_vectors("bare.npz", draw, split=["test"] * 18)
        pandas.DataFrame({"vectors": list(draw), "label": label}).to_parquet("v.parquet")
        write_vectors("held.npz", draw, label=label, classes=CLASSES, split=["test"] * 18)
        rows = {"vectors": list(draw), "label": [CLASSES[i] for i in label], "split": "validation"}
        pandas.DataFrame(rows).to_parquet("held.parquet")
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
    by = "classifier" if named in [NAMED[how] for how in HELD_OUT] else "{kind: knn, k: 3}"
    run = "runs/ours" if mode == "pictures" else "runs/theirs"
    cpu = ["--device", "cpu"]
    words = {
        "embed": [run, data, *keys, "-o", f"{out}.npz", *cpu],
        "predict": [run, data, *keys, "-o", f"{out}.csv", *cpu],
        "evaluate": [run, *keys, "--data", data, "--by", by, *cpu],
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
    if how in HELD_OUT and command in TRAINING:
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


@pytest.mark.parametrize("how", HELD_OUT)
def test_rows_to_measure_on_are_measured_without_any_to_train_on(how: str) -> None:
    run = "runs/theirs" if how in VECTORS else "runs/ours"
    call = ["evaluate", run, "--data", *NAMED[how], "--device", "cpu"]
    told = CliRunner().invoke(main, [*call, "--json"])
    assert told.exit_code == 0, (told.output, told.exception)
    results = json.loads(told.stdout)["results"]
    assert [each["kind"] for each in results["evaluators"]] == ["classifier"]
    count = {len(results["last"][split]) for split in results["last"]}
    assert count == {1} and results["imbalance_factor"].get("train") is None
    for metrics in (results["last"][split]["classifier"] for split in results["last"]):
        assert 0 <= metrics["accuracy"] <= 1 and not {"many", "medium", "few"} & set(metrics)
    both = CliRunner().invoke(
        main, [*call, "--by", "embedding", "--by", "{kind: calibration, of: classifier}"]
    )
    assert both.exit_code == 0, (both.output, both.exception)
    for by in ("knn", "linear_probe", "calibration"):
        assert "Expected training samples for evaluator" in refused(
            CliRunner().invoke(main, [*call, "--by", by])
        )


def test_rows_to_measure_on_are_embedded_with_their_labels(tmp_path: Path) -> None:
    told = called("embed", NAMED["test rows in csv"], "pictures", tmp_path / "made")
    assert told.exit_code == 0, (told.output, told.exception)
    found = read_vectors(tmp_path / "made.npz")
    assert found.split is not None and set(found.split) == {"validation", "test"}
    assert found.label is not None and found.classes == CLASSES
    folders = [Path(str(path)).parent.name for path in found.columns["path"]]
    assert folders == [CLASSES[i] for i in found.label]


@pytest.mark.parametrize("command", TRAINING)
def test_rows_to_measure_on_are_none_to_train_on(command: str, tmp_path: Path) -> None:
    told = called(command, NAMED["test rows in csv"], "pictures", tmp_path / "made")
    words = "split `train` in listed/held.csv" if command == "filter" else "but got train"
    assert words in refused(told)


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

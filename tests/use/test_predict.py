"""``supcon predict``: what a loaded encoder says, in every format and of every kind of data."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import supcon_ext
from data_tools.vector_file import write_vectors
from supcon_ext.cli import main
from tests.embed import pictures
from tests.fresh import supcon
from tests.use import toy


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(*arguments: str) -> Result:
    given = ["predict", *arguments, "--device", "cpu"]
    return CliRunner().invoke(main, given if "-o" in arguments else [*given, "-o", "out.csv"])


def rows(path: str = "out.csv") -> list[dict[str, Any]]:
    kind = Path(path).suffix
    if kind == ".csv":
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    if kind == ".jsonl":
        return [json.loads(line) for line in Path(path).read_text().splitlines()]
    return pandas.read_parquet(path).to_dict("records")


def check(found: list[dict[str, Any]], names: list[str], samples: Any) -> None:
    encoder = supcon_ext.load("m", device="cpu")
    judged = encoder.judge(samples)
    assert [row["path"] for row in found] == names
    assert [row["class"] for row in found] == encoder.predict(samples).tolist()
    assert list(found[0]) == ["path", "class", "probability", "distance"]
    told = [[float(row["probability"]), float(row["distance"])] for row in found]
    expected = np.stack([judged.probability.max(1), judged.distance], 1)
    assert np.allclose(told, expected, atol=1e-6)


@pytest.mark.parametrize("by", ["classifier", "linear_probe", "knn"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_format(suffix: str, by: str) -> None:
    toy.write(Path("m"), toy.context(), by)
    paths = pictures.flat(Path("new"))
    told = predict("m", "new", "-o", f"out.{suffix}")
    assert told.exit_code == 0, told.output
    assert f"wrote out.{suffix}: 5 rows" in told.stdout and "classes" in told.stdout
    assert f"3 classes by {by}, on cpu" in told.stderr
    check(rows(f"out.{suffix}"), [str(path) for path in paths], paths)


def test_every_kind_of_pictures() -> None:
    toy.write(Path("m"), toy.context())
    for make, name in ((pictures.by_class, "new"), (pictures.split, "parted"),
                       (pictures.manifest, "listed")):  # fmt: skip
        paths = make(Path(name))
        data = "listed/list.csv" if name == "listed" else name
        assert predict("m", data, "--force").exit_code == 0
        check(rows(), [str(path) for path in paths], paths)
    assert predict("m", "listed/list.csv", "--force", "--split", "test").exit_code == 0
    check(rows(), [str(path) for path in paths[-3:]], paths[-3:])


def test_a_recipe_without_files() -> None:
    toy.write(Path("m"), toy.context(1))
    pictures.digits_recipe(Path("digits.yaml"))
    told = predict("m", "digits.yaml", "--split", "test")
    assert told.exit_code == 0, told.output
    from data_tools.datasets.base import dataset

    test = dataset.make("digits").test
    first = len(dataset.make("digits").train)
    check(rows(), [f"test/{first + place}" for place in range(len(test))], test)


def test_a_folder_is_read_as_training_was() -> None:
    paths = pictures.flat(Path("new"))
    toy.write(Path("m"), toy.context(1))
    assert predict("m", "new").exit_code == 0
    check(rows(), [str(path) for path in paths], [Image.open(path) for path in paths])
    toy.write(Path("m"), toy.context(2, "float32", 1.0))
    Path("stored").mkdir()
    stored = np.random.default_rng(0).random((3, 20, 20, 2), dtype=np.float32)
    for number, pixels in enumerate(stored):
        np.save(f"stored/{number}.npy", pixels)
    assert predict("m", "stored", "--force").exit_code == 0
    check(rows(), [f"stored/{number}.npy" for number in range(3)], stored)
    told = predict("m", "new", "--force")
    assert told.exit_code == 2 and "2 channels of float32" in told.stderr


def test_vectors() -> None:
    toy.write(Path("m"), toy.vectors())
    draw = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    write_vectors("v.npz", draw, split=["train", "test"] * 3, columns={"path": list("abcdef")})
    write_vectors("plain.npz", draw)
    assert predict("m", "v.npz").exit_code == 0
    order = [0, 2, 4, 1, 3, 5]
    check(rows(), ["abcdef"[place] for place in order], draw[order])
    assert predict("m", "plain.npz", "--force").exit_code == 0
    check(rows(), [f"train/{place}" for place in range(6)], draw)
    write_vectors("other.npz", draw[:, :4])
    for wrong in ("other.npz", "nothing.npz", "."):
        assert predict("m", wrong, "--force").exit_code == 2
    told = predict("m", "plain.npz", "--force", "--split", "test")
    assert told.exit_code == 2 and "Expected a split among train" in told.stderr


def test_bad_pictures_are_told_and_left_out_by_option() -> None:
    toy.write(Path("m"), toy.context())
    paths = pictures.flat(Path("new"))
    paths[1].write_bytes(b"no picture")  # seen at once
    content = paths[3].read_bytes()
    paths[3].write_bytes(content[: len(content) - 60])  # seen when it is decoded
    told = predict("m", "new")
    assert told.exit_code == 2 and "1.png" in told.stderr and "--skip-bad" in told.stderr
    told = predict("m", "new", "--skip-bad")
    assert told.exit_code == 0 and "3.png" in told.stderr, told.output
    good = [paths[place] for place in (0, 2, 4)]
    check(rows(), [str(path) for path in good], good)
    paths[1].unlink()
    told = predict("m", "new", "-o", "other.csv")
    assert told.exit_code and "3.png" in told.stderr and not Path("other.csv").exists()


def test_nothing_is_replaced_unasked() -> None:
    toy.write(Path("m"), toy.context())
    pictures.flat(Path("new"))
    Path("out.csv").write_text("mine")
    told = predict("m", "new")
    assert told.exit_code == 2 and "--force" in told.stderr
    assert Path("out.csv").read_text() == "mine"
    assert predict("m", "new", "--force").exit_code == 0 and len(rows()) == 5


def test_names_that_are_no_text(folder: Path) -> None:
    toy.write(Path("m"), toy.context(), classes=("a\x1b[31m", "=b", 'c,"d'))
    pictures.draw(folder / "new" / 'a "b",\n.png', 0)
    raw = os.fsencode(folder / "new") + b"/\xff.png"
    os.rename(folder / "new" / 'a "b",\n.png', raw)
    pictures.draw(folder / "new" / 'a "b",\n.png', 0)
    for suffix in ("csv", "jsonl", "parquet"):
        told = predict("m", "new", "-o", f"out.{suffix}")
        assert told.exit_code == 0, told.output
        assert "\x1b" not in told.output
    with open("out.csv", newline="", errors="surrogateescape") as file:
        found = list(csv.DictReader(file))
    assert {row["path"] for row in found} == {'new/a "b",\n.png', os.fsdecode(b"new/\xff.png")}
    assert [row["path"] for row in rows("out.jsonl")] == [row["path"] for row in found]
    assert len(rows("out.parquet")) == 2


def test_in_a_fresh_process_and_stopped(folder: Path) -> None:
    toy.write(Path("m"), toy.context())
    paths = pictures.flat(Path("new"), 3)
    done = supcon("predict", "m", "new", "-o", "out.csv", "--device", "cpu", cwd=folder)
    assert done.wait() == 0, done.stderr
    check(rows(), [str(path) for path in paths], paths)
    from tests.fresh import start

    stopped = start(stop_amid, cwd=folder)
    assert stopped.wait() == 130, stopped.stderr
    assert "Stopped" in stopped.stderr and "Traceback" not in stopped.stderr
    assert {path.name for path in folder.iterdir()} == {"m", "new", "out.csv"}


def stop_amid() -> None:
    """Ctrl-C at the moment of writing."""
    from supcon_ext.use import predictions_file

    def stopping(cell: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return cell

    predictions_file._storable = stopping  # type: ignore[assignment]
    main(["predict", "m", "new", "-o", "x.parquet", "--device", "cpu"], prog_name="supcon")

"""``supcon validate RECIPE --data``: the data read and reported on, without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from click.testing import CliRunner, Result

from supcon_ext.cli import main
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.resolved import to_yaml
from tests.data_tools import bad_pictures
from tests.data_tools.bad_pictures import BAD, GOOD, ODD, encoded
from tests.data_tools.toy import write_png
from tests.made_pictures import KINDS, write_set


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def write_recipe(dataset: dict[str, Any] | str, **data: Any) -> str:
    stage = {"name": "one", "epochs": 1, "objective": ["contrastive"]}
    recipe = {"name": "mine", "data": {"dataset": dataset, **data}, "stages": [stage]}
    Path("mine.yaml").write_text(to_yaml(parse_recipe(recipe)))
    return "mine.yaml"


def rows_of(result: Result) -> dict[str, list[str]]:
    """The printed table: heading to lines."""
    found: dict[str, list[str]] = {}
    for line in result.stdout.splitlines()[1:]:
        for name in HEADINGS:
            if line.startswith(f"  {name}  "):
                found.setdefault(name, []).append(line[len(name) + 2 :].strip())
    return found


HEADINGS = [
    "images",
    "classes",
    "per class",
    "shot groups",
    "noise",
    "files",
    "size",
    "pixels",
    "bad files",
    "equal",
    "flips",
    "note",
]


def make_folder(top: Path) -> Path:
    for place, name in enumerate(("cat", "dog")):
        for number in range(10):
            write_png(top / name / f"{number}.png", 100 * place + number)
    return top


def test_a_good_folder() -> None:
    make_folder(Path("pictures"))
    name = write_recipe({"kind": "image_folder", "root": "pictures"})
    for _ in range(2):
        result = supcon("validate", name, "--data")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[0] == "mine.yaml: no problems"
        rows = rows_of(result)
        assert rows["images"] == ["14 train, 2 validation, 4 test"]
        assert rows["classes"] == ["2: cat, dog"]
        assert rows["per class"] == ["7 to 7 training images"]
        assert rows["files"] == ["20: 20 PNG"] and rows["pixels"] == ["20 RGB"]
        assert rows["size"] == ["6 wide, 4 high"] and rows["bad files"] == ["none"]
        assert rows["equal"] == ["no two pictures"]
        assert rows["flips"] == ["views may mirror images"]
        assert len(rows["note"]) == 1 and "data.dataset.flips=false" in rows["note"][0]
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "mine.yaml", "pictures"]


def test_a_bad_folder() -> None:
    bad_pictures.write_good(Path("pictures", "good").absolute())
    bad_pictures.write_bad(Path("pictures", "mixed").absolute())
    write_png(Path("pictures", "mixed", "fine.png"), 3)
    name = write_recipe({"kind": "image_folder", "root": "pictures", "test": 0}, validation=0)
    result = supcon("validate", name, "--data", "--decode", "--bad-list", "list.csv")
    assert result.exit_code == 2 and result.stdout == ""
    bad = len(BAD) + len(ODD)
    assert f"{bad} of {bad + len(GOOD) + 1} image files are bad" in result.stderr
    assert f"in {Path('list.csv').absolute()}" in result.stderr
    assert "\x1b" not in result.stderr and "Traceback" not in result.stderr
    skip = supcon("validate", name, "--data", "data.bad_images=skip", "data.validation=0")
    assert skip.exit_code == 0, skip.output
    rows = rows_of(skip)
    assert rows["bad files"] == [f"{bad}, listed in {Path('bad-images.csv').absolute()}"]
    assert rows["images"] == [f"{len(GOOD) + 1} train"]
    told = json.loads(supcon("validate", name, "--data", "data.bad_images=skip", "--json").stdout)
    assert told["valid"] and len(told["data"]["bad"]) == bad
    reasons = {Path(one["path"]).name: one["reason"] for one in told["data"]["bad"]}
    assert all(bad_pictures.reason(file) in reason for file, reason in reasons.items())
    refused = supcon("validate", name, "--data", "--json")
    assert refused.exit_code == 2
    told = json.loads(refused.stdout)
    assert (
        not told["valid"] and told["data"] is None and "are bad" in told["problems"][0]["message"]
    )


def test_decoding_finds_what_headers_hide() -> None:
    make_folder(Path("pictures"))
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 0xFF
    Path("pictures", "cat", "3.png").write_bytes(data)
    name = write_recipe({"kind": "image_folder", "root": "pictures"})
    assert supcon("validate", name, "--data").exit_code == 0
    result = supcon("validate", name, "--data", "--decode")
    assert result.exit_code == 2 and "1 of 20 image files is bad" in result.stderr


class FakeCifar:
    """What torchvision's reader offers, without its files."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        self.data = np.random.default_rng(train).integers(0, 256, (40, 32, 32, 3), np.uint8)
        self.targets = [i % 10 for i in range(40)]
        self.classes = [f"class{i}" for i in range(10)]


@pytest.mark.parametrize("kind", ["digits", "arrays", "cifar10", "cifar100"])
def test_data_that_is_no_files(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", FakeCifar)
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", FakeCifar)
    dataset: dict[str, Any] = {"kind": kind}
    if kind == "arrays":
        pixels = np.random.default_rng(0).integers(0, 256, (30, 5, 4), np.uint8)
        pixels[7] = pixels[4]  # of one class
        pixels[8] = pixels[3]  # of two
        np.savez(
            "a.npz",
            x_train=pixels,
            y_train=np.arange(30) % 3,
            x_test=pixels[:1],
            y_test=np.zeros(1, np.int64),
        )
        dataset["file"] = "a.npz"
    result = supcon("validate", write_recipe(dataset), "--data")
    assert result.exit_code == 0, result.output
    rows = rows_of(result)
    assert "files" not in rows and rows["bad files"] == ["none"]
    if kind == "arrays":
        assert rows["images"] == ["27 train, 3 validation, 1 test"]
        assert rows["size"] == ["4 wide, 5 high"] and rows["pixels"] == ["31 uint8, 1 channel"]
        assert rows["equal"] == [
            "1 picture is in more than one of train, test: train/0 = test/0",
            "1 picture is under more than one label: train/3 (0) = train/8 (2)",
            "1 picture is more than once in a class (1 copies): train/4 = train/7",
        ]
    else:
        assert rows["equal"] == ["no two pictures"]
    assert rows["flips"] == ["never mirrored" if kind == "digits" else "views may mirror images"]


@pytest.mark.parametrize(
    ("dataset", "data", "message"),
    [
        ({"kind": "image_folder", "root": "nowhere"}, {}, "nowhere does not exist"),
        ({"kind": "manifest", "file": "none.csv"}, {}, "none.csv"),
        ({"kind": "list_file", "root": ".", "train_file": "none.txt"}, {}, "none.txt"),
        ({"kind": "arrays", "file": "none.npz"}, {}, "none.npz"),
        ({"kind": "cifar10", "root": "nowhere"}, {}, "download: true"),
        ("digits", {"noise": {"kind": "from_file", "file": "none.npz"}}, "none.npz"),
    ],
)
def test_data_that_cannot_be_read(dataset: Any, data: dict[str, Any], message: str) -> None:
    result = supcon("validate", write_recipe(dataset, **data), "--data")
    assert result.exit_code == 2 and result.stdout == "" and message in result.stderr
    assert "Traceback" not in result.stderr


def test_foreign_images_are_checked_too() -> None:
    make_folder(Path("pictures"))
    make_folder(Path("others"))
    Path("others", "cat", "3.png").write_bytes(b"")
    name = write_recipe(
        {"kind": "image_folder", "root": "pictures"},
        noise={
            "kind": "open_set",
            "rate": 0.5,
            "foreign": {"kind": "image_folder", "root": "others", "test": 0},
        },
    )
    result = supcon("validate", name, "--data")
    assert result.exit_code == 2 and "others/cat/3.png: it is empty" in result.stderr
    assert supcon("validate", name, "--data", "data.bad_images=skip").exit_code == 0


def test_options_that_do_not_go_together() -> None:
    name = write_recipe("digits")
    assert "--decode goes with --data" in supcon("validate", name, "--decode").stderr
    result = supcon("validate", "quickstart", "--data")
    assert result.exit_code == 2 and "quickstart is a sweep" in result.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_any_channels_and_depth_are_told_of(tmp_path, kind: str) -> None:
    data = write_set(tmp_path / "data", kind, 5, "uint16")
    name = write_recipe(data, validation=0)
    rows = rows_of(supcon("validate", name, "--data"))
    assert rows["pixels"] == ["40 uint16, 5 channels"] and rows["size"] == ["12 wide, 12 high"]
    assert json.loads(supcon("validate", name, "--data", "--json").stdout)["data"]["pixels"]

"""Data that Python hands over: every form of it, the same run whichever form it has."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from data_tools.given_data import splits_of
from data_tools.registry import family
from supcon_ext import open_run, parse_recipe, resume, run
from supcon_ext.experiment import CannotStart, report
from supcon_ext.experiment.given import data_of_run
from supcon_ext.interrupt import Interrupted
from supcon_ext.recipe.resolved import resolve
from supcon_ext.training.loop import Trainer
from tests.experiment import members

LEAN: dict[str, Any] = {
    "name": "given",
    "data": {"validation": 0},
    "model": {
        "backbone": {"kind": "conv4", "width": 2},
        "projector": {"hidden": 8, "dim": 4},
    },
    "stages": [
        {
            "name": "only",
            "epochs": 1,
            "batch_size": 20,
            "views": {"policy": "none", "count": 2},
            "objective": ["contrastive", "cross_entropy"],
        }
    ],
    "evaluation": ["classifier"],
}

Arrays = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def digits(start: int = 0, count: int = 60) -> Arrays:
    """Some of scikit-learn's digits of the classes 0, 1 and 2, as uint8."""
    from sklearn.datasets import load_digits

    raw = load_digits(n_class=3)
    chosen = slice(start, start + count)
    return np.round(raw.images[chosen] * (255 / 16)).astype(np.uint8), raw.target[chosen]


class Pairs(Dataset[Any]):
    """A torch data set, as torchvision's are: a picture of Pillow's and a class."""

    classes = ("zero", "one", "two")

    def __init__(self, arrays: Arrays) -> None:
        self.images, self.labels = arrays

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return Image.fromarray(self.images[index]), int(self.labels[index])


def hugging(arrays: Arrays) -> Any:
    import datasets

    kinds = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["zero", "one", "two"]),
            "note": datasets.Value("string"),
        }
    )
    values = {"image": list(arrays[0]), "label": arrays[1].tolist(), "note": ["-"] * len(arrays[0])}
    return datasets.Dataset.from_dict(values, features=kinds)


def files(arrays: Arrays, place: Path) -> tuple[list[Path], list[str]]:
    paths = [place / f"{number}.png" for number in range(len(arrays[0]))]
    for path, image in zip(paths, arrays[0], strict=True):
        Image.fromarray(image).save(path)
    return paths, [Pairs.classes[label] for label in arrays[1]]


def forms(arrays: Arrays, place: Path) -> dict[str, Any]:
    """The same pictures in every form that data may have."""
    images, label = arrays
    return {
        "arrays": arrays,
        "arrays of floats": ((images / 255).astype(np.float32), label),
        "a list of arrays": (list(images), label.tolist()),
        "a list of pictures": ([Image.fromarray(image) for image in images], label),
        "tensors": (torch.from_numpy(images)[:, None], torch.from_numpy(label)),
        "a TensorDataset": TensorDataset(torch.from_numpy(images)[:, None], torch.tensor(label)),
        "a torch Dataset": Pairs(arrays),
        "a list of pairs": [(image, int(each)) for image, each in zip(images, label, strict=True)],
        "Hugging Face": hugging(arrays),
        "paths": files(arrays, place),
    }


FORMS = tuple(
    "arrays|arrays of floats|a list of arrays|a list of pictures|tensors|a TensorDataset|"
    "a torch Dataset|a list of pairs|Hugging Face|paths".split("|")
)


def test_every_form_is_listed(tmp_path: Path) -> None:
    assert tuple(forms(digits(count=3), tmp_path)) == FORMS


@pytest.fixture(autouse=True)
def _without_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_draw", lambda *args: [])
    monkeypatch.setattr(report, "export_encoder", members._written)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_pictures_and_the_classes(form: str, tmp_path: Path) -> None:
    arrays = digits(count=12)
    made, _ = splits_of(forms(arrays, tmp_path)[form], mode="grey")
    assert [made.train.classes[each] for each in made.train.label] == (
        [Pairs.classes[each] for each in arrays[1]]
        if form in ("a torch Dataset", "Hugging Face", "paths")
        else [str(each) for each in arrays[1]]
    )
    for place in range(12):
        sample = made.train.spec.units(made.train[place])
        assert np.allclose(sample[..., 0] * 255, arrays[0][place], atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_digest_tells_one_changed_pixel_and_one_changed_label(
    form: str, tmp_path: Path
) -> None:
    images, label = digits(count=12)
    pixel, other = images.copy(), label.copy()
    pixel[7, 3, 3] ^= 64
    other[7] = (other[7] + 1) % 3
    found = []
    for number, arrays in enumerate(((images, label), (pixel, label), (images, other))):
        place = tmp_path / str(number)
        place.mkdir()
        found.append(splits_of(forms(arrays, place)[form])[1])
    again = splits_of(forms((images.copy(), label), tmp_path / "0")[form])[1]
    assert len(set(found)) == 3 and again == found[0]


@pytest.mark.parametrize("kind", ["an array", "lists", "a TensorDataset", "Hugging Face"])
def test_vectors_in_every_form(kind: str) -> None:
    import datasets

    x = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    y = np.arange(9) % 3 - 1
    given: Any = {
        "an array": (x, y),
        "lists": (x.tolist(), y.tolist()),
        "a TensorDataset": TensorDataset(torch.from_numpy(x), torch.from_numpy(y)),
        "Hugging Face": datasets.Dataset.from_dict({"vector": x.tolist(), "label": y.tolist()}),
    }[kind]
    train = splits_of(given)[0].train
    assert train.spec.kind == "vector" and train.classes == ("-1", "0", "1")
    assert np.allclose(np.stack([train[place] for place in range(9)]), x)
    assert (train.label == y + 1).all()


class Restless(Pairs):
    """A torch data set with a random transform."""

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.random.default_rng().integers(0, 255, (8, 8), np.uint8), 0


X, Y = digits(count=6)
WRONG: dict[str, tuple[Any, str]] = {
    "nothing of the kind": (3, "Expected a torch Dataset of"),
    "an iterator": (iter([(X[0], 0)]), "Try: list"),
    "a path": ("data/", "Expected a torch Dataset of"),
    "empty": ((X[:0], Y[:0]), "at least one sample"),
    "an empty data set": ([], "at least one sample"),
    "other lengths": ((X, Y[:5]), "one label for each of the 6 samples of the train data, but"),
    "three": ((X, Y, Y), "a tuple of 3"),
    "no pairs": ([X[0], X[1]], r"Expected \(image, label\) as item 0"),
    "labels of floats": ((X, Y / 2), "whole numbers or texts"),
    "an empty label": ((X, ["a", "", "a", "b", "b", "b"]), "first item 1"),
    "no floats of 0 to 1": ((X.astype(np.float32), Y), r"Expected floats in \[0, 1\]"),
    "such in a list": ([(x.astype(float), 0) for x in X], r"Expected floats in \[0, 1\]"),
    "not finite": ([(np.full((4, 4), np.nan), 0)], "has nan or inf"),
    "channels first": ((np.zeros((6, 3, 9, 9), np.uint8), Y), "last axis"),
    "whole numbers": ((X.astype(np.int64), Y), "uint8, uint16 or floats"),
    "two kinds": ([(X[0], 0), (X[:3].T, 1)], "samples of one kind"),
    "vectors of two widths": (([[0.0, 1.0], [1.0]], [0, 1]), "1 to 2"),
    "a vector of NaN": (([[0.0, np.nan], [1.0, 2.0]], [0, 1]), "finite"),
    "a random transform": (Restless((X, Y)), "differs when read again"),
    "no train": ({"test": (X, Y)}, "`train` must be there"),
    "an unknown split": ({"train": (X, Y), "tset": (X, Y)}, "by train, validation, test"),
    "another kind of test": ({"train": (X, Y), "test": (X / 255, Y)}, "of float32"),
    "classes named in one": ({"train": Pairs((X, Y)), "test": (X, Y)}, "none that are named"),
    "a label beyond the classes": (Pairs((X, Y + 1)), r"Expected labels in \[0, 3\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_data_is_told_in_one_line(case: str, tmp_path: Path) -> None:
    data, line = WRONG[case]
    recipe = parse_recipe({**LEAN, "tracking": {"uri": "none", "folder": str(tmp_path / "runs")}})
    with pytest.raises(CannotStart, match=line) as told:
        run(recipe, data=data)
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


def recipe(place: Path, **changes: Any) -> Any:
    return parse_recipe({**LEAN, "tracking": {"uri": "none", "folder": str(place)}, **changes})


def test_a_run_on_a_data_set_is_that_on_the_arrays_and_goes_on_with_it(tmp_path: Path) -> None:
    parts = {"train": digits(), "test": digits(60, 30)}
    pairs = {split: list(zip(*part, strict=True)) for split, part in parts.items()}
    first = run(recipe(tmp_path), data=parts)
    second = run(recipe(tmp_path), data=pairs)
    assert first.results["last"] == second.results["last"]
    assert first.results["last"]["test"]
    assert first.results["fingerprint"] != ""
    folder = first.folder
    opened = open_run(folder, data=parts)
    assert opened.recipe.data.dataset.kind == "from_python"
    with pytest.raises(ValueError, match=r"Try: run\(recipe, data=...\), resume"):
        open_run(folder)
    assert resume(folder).results == first.results  # a finished run needs no data

    (folder / "results.json").unlink()
    with pytest.raises(CannotStart, match=r"resume\(run, data=...\)"):
        resume(folder)
    other = {**parts, "train": (parts["train"][0][::-1], parts["train"][1][::-1])}
    with pytest.raises(CannotStart, match="what the recipe was run on, of digest"):
        resume(folder, data=other)
    assert resume(folder, data=parts).results["last"] == first.results["last"]


def test_a_run_that_was_stopped_says_how_to_go_on_and_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [{**LEAN["stages"][0], "epochs": 3}]
    data = {"train": Pairs(digits()), "test": Pairs(digits(60, 30))}
    whole = run(recipe(tmp_path / "whole", stages=stages), data=data)
    step, steps = Trainer._step, iter(range(100))

    def stepping(*args: Any) -> Any:
        if next(steps) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*args)

    monkeypatch.setattr(Trainer, "_step", stepping)
    with pytest.raises(Interrupted, match=r"supcon_ext.resume\('.*', data=...\) in Python"):
        run(recipe(tmp_path / "stopped", stages=stages), data=data)
    (folder,) = (tmp_path / "stopped").iterdir()
    assert resume(folder, data=data).results["last"] == whole.results["last"]


def test_what_is_handed_over_stands_in_the_recipe_and_its_settings_are_kept(tmp_path: Path) -> None:
    data = {"dataset": {"kind": "from_python", "flips": False, "mode": "grey"}}
    made = run(recipe(tmp_path, data=data), data=Pairs(digits()))
    opened = open_run(made.folder, data=Pairs(digits()))
    said = resolve(opened.recipe)["data"]["dataset"]
    assert said["flips"] is False and said["mode"] == "grey" and len(said["digest"]) == 64
    assert opened.data.train.spec.channels == 1 and not opened.data.train.spec.flips
    again = run(opened.recipe, data=Pairs(digits()))
    assert again.results["fingerprint"] == made.results["fingerprint"]
    with pytest.raises(CannotStart, match="but got other samples or labels"):
        run(opened.recipe, data=Pairs(digits(1)))


def test_a_run_that_reads_its_own_data_takes_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="which reads its own, of kind digits"):
        data_of_run(recipe(tmp_path), digits(), tmp_path)


@pytest.mark.parametrize("whole", [True, False])
def test_a_saved_hugging_face_folder_is_data_of_a_recipe(whole: bool, tmp_path: Path) -> None:
    import datasets

    parts: Any = {"train": hugging(digits()), "test": hugging(digits(60, 30))}
    saved = parts["train"] if whole else datasets.DatasetDict(parts)
    saved.save_to_disk(str(tmp_path / "saved"))
    dataset = {"kind": "huggingface", "root": str(tmp_path / "saved"), "mode": "grey"}
    read = family("dataset").spec(dataset).bind()()
    assert read.train.classes == Pairs.classes and (read.test is None) == whole
    assert (read.train[3][..., 0] == digits()[0][3]).all()
    assert (read.train.label == digits()[1]).all()
    made = run(recipe(tmp_path / "runs", data={"dataset": dataset}))
    by_hand = {"dataset": {"kind": "from_python", "mode": "grey"}}
    given = parts["train"] if whole else parts
    same = run(recipe(tmp_path / "runs", data=by_hand), data=given)
    assert made.results["last"] == same.results["last"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"root": "none"}, "none does not exist"),
        ({"root": "."}, "save_to_disk"),
        ({"image": "picture"}, "no `picture` in its columns image, label, note"),
        ({"label": "kind"}, "no `kind` in"),
        ({"label": "image"}, "whole numbers or texts"),
    ],
    ids=str,
)
def test_a_wrong_hugging_face_folder(change: Any, line: str, tmp_path: Path) -> None:
    hugging(digits(count=3)).save_to_disk(str(tmp_path / "saved"))
    given = {"kind": "huggingface", "root": str(tmp_path / "saved"), **change}
    with pytest.raises((ValueError, OSError), match=line):
        family("dataset").spec(given).bind()()


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hugging(digits(count=3)).save_to_disk(str(tmp_path / "saved"))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "supcon-ext\[huggingface\]"'):
        family("dataset").spec({"kind": "huggingface", "root": str(tmp_path / "saved")}).bind()()

"""What people judged goes with the corrected labels of every kind of data set, and stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from data_tools.labels_file import LabelTable, read_labels, write_labels
from data_tools.vector_file import write_vectors
from supcon_ext.audit import AuditedSamples
from supcon_ext.audit.correct import correct
from supcon_ext.audit.decisions import Decisions, judged_before, sample_keys
from supcon_ext.audit.suspicion import Verdict
from supcon_ext.audit.table import AuditTable
from supcon_ext.experiment.build import build_data
from supcon_ext.experiment.given import with_data
from supcon_ext.recipe import parse_recipe
from tests.audit.coloured import recipe
from tests.experiment.members import members

COUNT = 24
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 9, 9, 3), np.uint8)
LABEL = np.arange(COUNT) % 3


class FakeCifar:
    """What torchvision's reader offers, without its files."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        self.data = PIXELS if train else PIXELS[:6]
        self.targets = LABEL.tolist() if train else LABEL[:6].tolist()
        self.classes = ["a", "b", "c"]


def files(place: Path) -> list[Path]:
    for number in range(COUNT):
        folder = place / "images" / "abc"[LABEL[number]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[number]).save(folder / f"{number:02}.png")
    return sorted(place.glob("images/*/*.png"))


def lines(place: Path, form: str) -> list[str]:
    return [form.format(path.relative_to(place), path.parent.name) for path in files(place)]


def cifar(place: Path) -> dict[str, Any]:
    return {"root": "."}


def arrays(place: Path) -> dict[str, Any]:
    parts = {"x_train": PIXELS, "y_train": LABEL, "x_test": PIXELS[:6], "y_test": LABEL[:6]}
    np.savez(place / "x.npz", **parts)  # type: ignore[arg-type]
    return {"file": "x.npz"}


def listed(place: Path) -> dict[str, Any]:
    rows = lines(place, "{} {}")
    numbered = [row[:-1] + str("abc".index(row[-1])) for row in rows]
    (place / "train.txt").write_text("\n".join(numbered))
    return {"root": ".", "train_file": "train.txt"}


def manifest(place: Path) -> dict[str, Any]:
    (place / "m.csv").write_text("\n".join(["path,label", *lines(place, "{},{}")]))
    return {"file": "m.csv"}


def folder(place: Path) -> dict[str, Any]:
    files(place)
    return {"root": "images", "test": 0.25}


def hugging(place: Path) -> dict[str, Any]:
    import datasets

    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])}
    values = {"image": list(PIXELS), "label": LABEL.tolist()}
    made = datasets.Dataset.from_dict(values, features=datasets.Features(kinds))
    made.save_to_disk(str(place / "saved"))
    return {"root": "saved"}


def vectors(place: Path) -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(COUNT, 4)).astype(np.float32)
    split = ["train"] * (COUNT - 8) + ["validation"] * 4 + ["test"] * 4
    write_vectors(place / "v.npz", x, label=LABEL, split=split)
    return {"file": "v.npz"}


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "arrays": arrays,
    "cifar10": cifar,
    "cifar100": cifar,
    "digits": lambda place: {"size": 8},
    "from_python": lambda place: {},
    "huggingface": hugging,
    "image_folder": folder,
    "list_file": listed,
    "manifest": manifest,
    "shapes": lambda place: {"size": 8, "train": 4, "test": 2},
    "vectors": vectors,
}
OF_FILES = {"image_folder", "list_file", "manifest"}


def test_every_kind_is_here() -> None:
    assert set(KINDS) == set(members("dataset"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("CIFAR10", "CIFAR100"):
        monkeypatch.setattr(torchvision.datasets, name, FakeCifar)
    return tmp_path


def made(values: Mapping[str, Any], *overrides: str) -> Any:
    """A run of which nothing but the data is there."""
    parsed, given = parse_recipe(values, overrides), None
    if parsed.data.dataset.kind == "from_python":
        parsed, given = with_data(parsed, (PIXELS, LABEL))
    data = build_data(parsed.data, given=given)
    return SimpleNamespace(folder=Path("run"), recipe=parsed, data=data)


def audited(opened: Any, decided: Mapping[int, tuple[str, int]] | None) -> AuditTable:
    """An audit that doubts nothing; decisions by the sample's number."""
    samples = AuditedSamples.of(opened.data)
    count = len(samples)
    label, what = samples.label.copy(), np.full(count, "", dtype="<U8")
    for number, (said, new) in (decided or {}).items():
        what[number], label[number] = said, new
    zero, given = torch.zeros(count), torch.from_numpy(samples.label)
    nobody = torch.full((count, 5), -1)
    verdict = Verdict(zero, given, zero, torch.zeros(count, dtype=torch.bool), nobody)
    return AuditTable(samples, verdict, decisions=Decisions(what, label) if decided else None)


def told(samples: AuditedSamples, kind: str) -> dict[object, tuple[str, int]]:
    """What was judged of each sample, and its label; by its file, or by its place."""
    keys = [Path(path).resolve() for path in samples.paths or ()] or sample_keys(samples)
    both = zip(judged_before(samples), samples.label.tolist(), strict=True)
    return {key: (str(said), label) for key, (said, label) in zip(keys, both, strict=True)}


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_later_audit_knows_what_was_judged(kind: str, suffix: str, here: Path) -> None:
    if kind in OF_FILES and suffix == ".npz":
        suffix = ".csv"  # the only one of a manifest
    values = recipe({"kind": kind, **KINDS[kind](here)})
    first = made(values)
    samples = AuditedSamples.of(first.data)
    other = int(samples.label[1] + 1) % len(samples.classes)
    held = samples.voters - 1  # of validation: of the vectors it came apart, else from training
    last = len(samples) - 1  # of the test where there is one
    given = {0: ("keep", int(samples.label[0])), 1: ("relabel", other), 2: ("unusable", 0)}
    given |= {held: ("keep", int(samples.label[held]))}
    given |= {last: ("keep", int(samples.label[last]))}
    before = told(samples, kind)
    keys = [*before]
    written = correct(here / f"new{suffix}", first, audited(first, given), None)
    second = made(values, *written.overrides)
    after = told(AuditedSamples.of(second.data), kind)
    expected = {**before, keys[0]: ("kept", before[keys[0]][1]), keys[1]: ("relabelled", other)}
    expected |= {keys[held]: ("kept", before[keys[held]][1])}
    expected |= {keys[last]: ("kept", before[keys[last]][1])}
    del expected[keys[2]]
    assert after == expected
    # and it stays: corrected again with nothing new, and in what the run itself writes down
    again = correct(here / f"again{suffix}", second, audited(second, None), None)
    third = made(second.recipe.model_dump(mode="json"), *again.overrides)
    assert told(AuditedSamples.of(third.data), kind) == expected
    if kind not in OF_FILES:
        third.data.export_labels(here / "labels.npz")
        judged = read_labels("labels.npz").judged
        assert judged is not None
        of_training = [key for key, (said, _) in expected.items() if said and key[0] == "train"]  # type: ignore[index]
        assert (judged != "").sum() == len(of_training) >= 1


def test_what_was_kept_of_a_test_set_that_is_not_here(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = recipe({"kind": "shapes", "size": 8, "train": 4, "test": 2})
    first = made(values)
    count = len(AuditedSamples.of(first.data))
    label = AuditedSamples.of(first.data).label
    given = {i: ("keep", int(label[i])) for i in (count - 1, count - 12)}
    written = correct(here / "new.csv", first, audited(first, given), None)
    assert read_labels("new.csv").settings["kept_apart"] == {"test": [0, 11]}
    values["data"]["dataset"]["test"] = 1
    smaller = made(values, *written.overrides).data
    assert smaller.test.columns["judged"].tolist() == ["kept"] + [""] * 5
    assert "1 labels that people kept are of a test set that is not here" in caplog.text


@pytest.mark.parametrize("order", ["imbalance_then_noise", "noise_then_imbalance"])
def test_labels_by_index_beside_an_imbalance(order: str, here: Path) -> None:
    values = recipe({"kind": "digits", "size": 8})
    values["data"] |= {"imbalance": {"kind": "exponential", "factor": 3}, "order": order}
    values["data"] |= {"noise": {"kind": "symmetric", "rate": 0.2}}
    first = made(values)
    given = {0: ("keep", int(first.data.train.label[0])), 1: ("relabel", 7)}
    written = correct(here / "new.csv", first, audited(first, given), None)
    second = made(values, *written.overrides)
    assert (second.data.labels.index == first.data.labels.index).all()
    both = [second.data.labels, first.data.labels]
    assert (both[0].given != both[1].given).sum() <= 1
    assert both[0].judged.tolist().count("kept") == 1
    assert both[0].judged.tolist().count("relabelled") == 1


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_the_file_without_and_with_it(suffix: str, here: Path) -> None:
    index, none = np.array([4, 2, 9]), np.zeros(3, dtype=bool)
    plain = LabelTable.of(index, np.array([0, 1, 0]), none, None, {})
    said = LabelTable.of(index, np.array([0, 1, 0]), none, None, {}, np.array(["kept", "", "x"]))
    assert said.fingerprint == plain.fingerprint  # of the labels: who said what makes no others
    for table, expected in ((plain, None), (said, ["", "kept", "x"])):
        write_labels(here / f"l{suffix}", table)
        read = read_labels(here / f"l{suffix}")
        assert read.judged is None if expected is None else read.judged.tolist() == expected
        assert replace(read, judged=None).given.tolist() == [1, 0, 0]


def test_how_files_are_read_goes_with_a_manifest(here: Path) -> None:
    for changes in (
        {"mode": "stored"},
        {"mode": "grey", "flips": False},
        {"mode": "stored", "scale": 300.0},
    ):
        opened = made(recipe({"kind": "manifest", **manifest(here), **changes}))
        written = correct(here / "new.csv", opened, audited(opened, None), None)
        read = made(recipe({"kind": "manifest", "file": "m.csv"}), *written.overrides)
        assert read.data.train.spec == opened.data.train.spec, changes

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from data_tools.noise.from_file import from_file
from data_tools.noise.human import cifar_n
from data_tools.samples import SampleSet
from data_tools.torch_file import load_torch_file
from tests.data_tools.toy import balanced


def save_human(path: Path, *, old_names: bool = True, legacy: bool = False, **labels) -> Path:
    """A file as CIFAR-N's authors wrote theirs: numpy arrays pickled under numpy 1."""
    torch.save(labels, path, _use_new_zipfile_serialization=not legacy)
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    if old_names and legacy:
        path.write_bytes(path.read_bytes().replace(new, old))
    elif old_names:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content.replace(new, old))
    return path


@pytest.fixture()
def train() -> SampleSet:
    return balanced(10, 5)


def ten(train: SampleSet) -> dict[str, np.ndarray]:
    names = ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3")
    labels = {name: (train.label + i) % 10 for i, name in enumerate(names)}
    return labels | {"clean_label": train.label}


@pytest.mark.parametrize("old_names", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
def test_cifar_10n(tmp_path, train: SampleSet, old_names: bool, legacy: bool) -> None:
    path = tmp_path / "CIFAR-10_human.pt"
    save_human(path, old_names=old_names, legacy=legacy, **ten(train))
    for shift, name in enumerate(("aggre", "worst", "random1", "random2", "random3")):
        noisy = cifar_n(train, file=str(path), labels=name)
        assert (noisy.label == (train.label + shift) % 10).all()
        assert (noisy.truth == train.label).all() and noisy.transition is None
    with pytest.raises(ValueError, match=r"labels `noisy_label`.*noisy100 for CIFAR-100N"):
        cifar_n(train, file=str(path), labels="noisy100")


def test_cifar_100n_has_lists_beside_its_arrays(tmp_path) -> None:
    train = balanced(100, 2)
    path = save_human(
        tmp_path / "CIFAR-100_human.pt",
        clean_label=train.label,
        noisy_label=(train.label + 1) % 100,
        noisy_coarse_label=[0, 1, 2],
    )
    assert (cifar_n(train, file=str(path), labels="noisy100").label[:3] == [1, 1, 2]).all()


def test_human_labels_of_a_part_are_found_by_its_origin(tmp_path, train: SampleSet) -> None:
    path = save_human(tmp_path / "human.pt", **ten(train))
    part = train.take(np.array([3, 10, 49]))
    assert cifar_n(part, file=str(path), labels="worst").label.tolist() == [1, 3, 0]


def test_another_order_is_refused(tmp_path, train: SampleSet) -> None:
    labels = ten(train)
    labels["clean_label"] = train.label[::-1].copy()
    path = save_human(tmp_path / "human.pt", **labels)
    with pytest.raises(ValueError, match=r"`clean_label`.*50 of 50 differ"):
        cifar_n(train, file=str(path), labels="worst")
    with pytest.raises(ValueError, match=r"labels of the 20 training images.*but got 50"):
        cifar_n(balanced(10, 2), file=str(path), labels="worst")


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_file_that_would_run_code_is_refused(tmp_path, train: SampleSet, legacy: bool) -> None:
    path = tmp_path / "bad.pt"
    content = ten(train) | {"extra": Bomb(tmp_path / "ran")}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r"only tensors, arrays and plain values"):
        cifar_n(train, file=str(path), labels="worst")
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_torch_files(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        load_torch_file(tmp_path / "none.pt")
    for content in (b"", b"hello", b"PK\x03\x04"):
        (tmp_path / "text.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"Expected only tensors"):
            load_torch_file(tmp_path / "text.pt")


def save(path: Path, given: np.ndarray, true: np.ndarray) -> dict[str, str]:
    """A label vector in the format of its suffix; returns the keys to read it with."""
    keys = {"key": "label_noisy", "truth_key": "label"}
    if path.suffix == ".npy":
        np.save(path, given.astype(np.int32))
        return {}
    if path.suffix == ".npz":
        np.savez(path, label=true, label_noisy=given)
    elif path.suffix == ".csv":
        rows = [f"{a},{b}" for a, b in zip(true, given, strict=True)]
        path.write_text("\n".join(["label,label_noisy", *rows]))
    elif path.suffix == ".txt":
        path.write_text("\n".join(map(str, given)))
        return {}
    else:
        torch.save({"label": torch.tensor(true.copy()), "label_noisy": given.tolist()}, path)
    return keys


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "txt", "pt"])
def test_labels_from_every_format(tmp_path, train: SampleSet, suffix: str) -> None:
    given = (train.label + 3) % 10
    path = tmp_path / f"labels.{suffix}"
    keys = save(path, given, train.label)
    noisy = from_file(train, file=str(path), **keys)
    assert (noisy.label == given).all() and noisy.label.dtype == np.int64
    assert (noisy.truth == train.label).all()
    part = train.take(np.array([7, 2]))
    assert (from_file(part, file=str(path), **keys).label == given[[7, 2]]).all()
    if keys:
        save(path, given, train.label[::-1])
        with pytest.raises(ValueError, match=r"true labels.*50 of 50 differ"):
            from_file(train, file=str(path), **keys)
        with pytest.raises(ValueError, match=r"name of a vector"):
            from_file(train, file=str(path))
    else:
        with pytest.raises(ValueError, match=r"no `key`"):
            from_file(train, file=str(path), key="x")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (np.zeros(49, np.int64), "labels of the 50 training images in .*but got 49"),
        (np.full(50, 10), "name of a class.*but got 10.*numbers here"),
        (np.full(50, -1), "name of a class.*but got -1"),
        (np.zeros(50), "vector of labels, names or integers, .*float64"),
        (np.zeros((50, 1), np.int64), "vector of labels"),
    ],
)
def test_bad_label_vectors_are_refused(tmp_path, train: SampleSet, given, match: str) -> None:
    np.save(tmp_path / "labels.npy", given)
    with pytest.raises(ValueError, match=match):
        from_file(train, file=str(tmp_path / "labels.npy"))


def test_bad_label_files_are_refused(tmp_path, train: SampleSet) -> None:
    with pytest.raises(FileNotFoundError):
        from_file(train, file=str(tmp_path / "none.npy"))
    (tmp_path / "labels.txt").write_text("1\ntwo\n")
    with pytest.raises(ValueError, match=r"name of a class.*'two'"):
        from_file(train, file=str(tmp_path / "labels.txt"))
    (tmp_path / "labels.yaml").write_text("1")
    with pytest.raises(ValueError, match=r"\.npy, \.npz, \.csv, .*or \.pt"):
        from_file(train, file=str(tmp_path / "labels.yaml"))

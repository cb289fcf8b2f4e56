import logging
import os
import pickle

import numpy as np
import pytest
import torchvision
from PIL import Image

from data_tools.datasets.arrays import arrays
from data_tools.datasets.base import dataset
from data_tools.datasets.cifar import cifar10, cifar100
from data_tools.datasets.digits import digits
from data_tools.datasets.image_folder import image_folder
from data_tools.image_files import ImageFiles
from data_tools.mapped_array import MappedArray
from tests.data_tools.toy import write_png


def test_digits() -> None:
    source = digits()
    assert source.truth_known and not source.train.spec.flips and not source.test.spec.flips
    assert len(source.train) + len(source.test) == 1797
    assert len(source.test) == round(0.3 * 1797)
    assert source.train.samples.shape == (1258, 16, 16, 1)
    assert source.train.samples.dtype == np.uint8 and source.train.samples.max() > 240
    shares = np.bincount(source.test.label) / (
        np.bincount(source.train.label) + np.bincount(source.test.label)
    )
    assert np.abs(shares - 0.3).max() < 0.005


def test_digits_follow_their_settings() -> None:
    assert digits(size=20, resample="bicubic").train.samples[0].shape == (20, 20, 1)
    again, other = digits(seed=0), digits(seed=1)
    assert (digits().train.label == again.train.label).all()
    assert (other.train.samples != again.train.samples).any()
    assert digits(test=0).test is None
    with pytest.raises(ValueError, match=r"argument `size`"):
        digits(size=4)


def test_digits_are_upscaled_and_not_stretched_in_value() -> None:
    """At 8 x 8 nothing is resampled: 0..16 becomes 0..255."""
    from sklearn.datasets import load_digits

    source = digits(size=8, test=0)
    assert (source.train.samples[..., 0] == np.round(load_digits().images * 255 / 16)).all()


class FakeCifar:
    """What torchvision's reader offers, without its files."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        if root == "nowhere" and not download:
            raise RuntimeError("Dataset not found or corrupted.")
        count = 6 if train else 4
        self.data = np.full((count, 32, 32, 3), 7, np.uint8)
        self.targets = list(range(count))
        self.classes = [f"class{i}" for i in range(10)]


@pytest.mark.parametrize(("name", "load"), [("CIFAR10", cifar10), ("CIFAR100", cifar100)])
def test_cifar_is_read_through_torchvision(monkeypatch, name: str, load) -> None:
    monkeypatch.setattr(torchvision.datasets, name, FakeCifar)
    source = load(root="data")
    assert source.truth_known and source.train.spec.flips
    assert source.train.samples[0].shape == (32, 32, 3)
    assert source.train.label.dtype == np.int64 and source.test.label.tolist() == [0, 1, 2, 3]
    assert source.train.classes == tuple(f"class{i}" for i in range(10))
    with pytest.raises(FileNotFoundError, match=rf"Expected {name}'s files.*download: true"):
        load(root="nowhere")
    assert len(load(root="nowhere", download=True).test) == 4


def test_cifar_that_is_not_there(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected CIFAR10's files"):
        cifar10(root=str(tmp_path))


def make_folder(top, classes=("cat", "dog"), count: int = 10):
    for place, name in enumerate(classes):
        for i in range(count):
            write_png(top / name / f"{i:02d}.png", value=100 * place + i)
    return top


def test_folder_with_train_and_test(tmp_path) -> None:
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", classes=("dog",), count=3)
    source = image_folder(root=str(tmp_path))
    assert source.train.classes == ("cat", "dog")
    assert source.train.label.tolist() == [0] * 10 + [1] * 10
    assert source.test.label.tolist() == [1, 1, 1]
    assert source.train.samples[11].shape == (4, 6, 3)
    assert source.train.samples[11][0, 0].tolist() == [101, 0, 154]
    assert source.train.columns["path"][11].endswith("dog/01.png")
    assert not source.truth_known and image_folder(root=str(tmp_path), clean=True).truth_known


def test_flat_folder_is_split(tmp_path) -> None:
    make_folder(tmp_path)
    source = image_folder(root=str(tmp_path), test=0.2, mode="grey", flips=False)
    assert np.bincount(source.train.label).tolist() == [8, 8]
    assert np.bincount(source.test.label).tolist() == [2, 2]
    assert not set(source.train.columns["path"]) & set(source.test.columns["path"])
    assert source.test.samples[0].shape == (4, 6, 1) and not source.test.spec.flips
    other = image_folder(root=str(tmp_path), seed=1)
    assert set(other.test.columns["path"]) != set(source.test.columns["path"])


def test_folder_reports_what_it_leaves_out(tmp_path, caplog) -> None:
    make_folder(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "readme.md").write_text("no class")
    write_png(tmp_path / "cat" / "deeper" / "11.png", 3)
    with caplog.at_level(logging.WARNING):
        source = image_folder(root=str(tmp_path), test=0)
    assert len(source.train) == 21
    assert caplog.records[0].getMessage() == (
        f"{tmp_path}: left out 2 files that are no image of a class: cat/notes.txt, readme.md"
    )


def test_many_strangers_are_counted_and_the_first_named(tmp_path, caplog) -> None:
    make_folder(tmp_path)
    for name in ("1", "2", "3", "4", "5", "6", "7\x1b"):
        (tmp_path / f"{name}.txt").write_text("no class")
    with caplog.at_level(logging.WARNING):
        image_folder(root=str(tmp_path), test=0)
    assert (
        caplog.records[0]
        .getMessage()
        .endswith(
            "left out 7 files that are no image of a class: 1.txt, 2.txt, 3.txt, 4.txt, 5.txt, ..."
        )
    )


def test_folder_errors(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"argument `root`"):
        image_folder(root=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"folder per class"):
        image_folder(root=str(tmp_path))
    (tmp_path / "train" / "empty").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"at least one training image in"):
        image_folder(root=str(tmp_path))


def test_classes_are_those_of_both_folders(tmp_path) -> None:
    """Those without training images are told of by the check of the whole data set."""
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", classes=("cat", "fox"), count=1)
    (tmp_path / "train" / "empty").mkdir()
    source = image_folder(root=str(tmp_path))
    assert source.train.classes == source.test.classes == ("cat", "dog", "empty", "fox")
    assert source.test.label.tolist() == [0, 3]


def test_a_class_name_is_printable(tmp_path) -> None:
    make_folder(tmp_path, classes=("a\x1b[2J", os.fsdecode(b"caf\xe9")), count=1)
    source = image_folder(root=str(tmp_path), test=0)
    assert source.train.classes == ("a\\x1b[2J", "caf\\xe9")
    assert source.train.samples[1].shape == (4, 6, 3)


def test_images_are_turned_upright(tmp_path) -> None:
    picture = Image.new("RGB", (6, 4))
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was held upright
    picture.save(tmp_path / "phone.jpg", exif=exif)
    assert ImageFiles([tmp_path / "phone.jpg"])[0].shape == (6, 4, 3)


@pytest.fixture()
def pixels() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (20, 5, 4, 3), np.uint8),
        "y_train": np.arange(20) % 3,
        "x_test": random.integers(0, 256, (6, 5, 4, 3), np.uint8),
        "y_test": np.arange(6, dtype=np.uint8) % 3,
    }


def test_arrays(tmp_path, pixels) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **pixels, classes=np.array(["a", "b", "c"]))
    source = arrays(file=str(path))
    assert (source.train.samples == pixels["x_train"]).all()
    assert source.train.classes == ("a", "b", "c")
    assert source.test.label.dtype == np.int64 and source.test.label.tolist() == [0, 1, 2] * 2


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_arrays_are_mapped_where_they_lie(tmp_path, pixels, grey: bool, order: str) -> None:
    train = pixels["x_train"][..., 0] if grey else pixels["x_train"]
    path = tmp_path / "data.npz"
    np.savez(path, y_train=pixels["y_train"], x_train=np.asarray(train, order=order))
    images = arrays(file=str(path), map_above_mb=0).train.samples
    assert isinstance(images, MappedArray) and len(images) == 20
    expected = train[..., None] if grey else train
    assert all((images[i] == expected[i]).all() for i in range(20))
    copy = pickle.dumps(images)
    assert len(copy) < 1000
    assert (pickle.loads(copy)[7] == expected[7]).all()


def test_compressed_arrays_are_read_and_the_log_says_so(tmp_path, pixels, caplog) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **pixels)
    source = arrays(file=str(path), map_above_mb=0)
    assert (source.train.samples == pixels["x_train"]).all()
    assert "`x_train`" in caplog.text and "compressed and cannot be mapped" in caplog.text
    assert source.train.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x_train": None}, "array `x_train`"),
        ({"x_train": np.zeros((20, 5, 4, 3), np.int32)}, "uint8, uint16 or floats.*int32"),
        ({"x_train": np.zeros((20, 3, 5, 5), np.uint8)}, "1 to 16 channels.*transpose"),
        ({"y_train": np.zeros(20)}, "integer labels"),
        ({"y_train": np.zeros(19, np.int64)}, "one label for each of the 20 samples"),
        ({"y_test": None}, "both x_test and y_test"),
        ({"classes": np.array(["a", "b"])}, r"labels in \[0, 2\)"),
        ({"y_train": np.array([{}] * 20)}, "`y_train` of .*x.astype"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, pixels, change, match: str) -> None:
    path = tmp_path / "data.npz"
    merged = {key: value for key, value in (pixels | change).items() if value is not None}
    np.savez(path, **merged)
    with pytest.raises(ValueError, match=match):
        arrays(file=str(path))


def test_files_that_are_no_npz(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"argument `file`"):
        arrays(file=str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match=r"Expected an .npy or .npz file"):
        arrays(file=str(tmp_path / "text.npz"))
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"is one array"):
        arrays(file=str(tmp_path / "one.npy"))


def test_a_recipe_names_a_data_set() -> None:
    spec = dataset.spec({"kind": "digits", "size": 12})
    assert spec.as_dict() == {
        "kind": "digits",
        "size": 12,
        "resample": "bilinear",
        "test": 0.3,
        "seed": 0,
    }
    assert spec.build().train.samples[0].shape == (12, 12, 1)

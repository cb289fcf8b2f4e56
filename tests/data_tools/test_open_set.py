import numpy as np
import pytest

from data_tools.datasets.base import Splits
from data_tools.noise.base import noise
from data_tools.noise.open_set import open_set
from data_tools.samples import SampleSet
from tests.data_tools.toy import balanced


def foreign(count: int = 200, size: int = 1, channels: int = 1) -> Splits:
    images = np.full((count, size, size, channels), 255, np.uint8)
    return Splits(SampleSet(images, np.zeros(count, np.int64), ("?",)), None, truth_known=True)


def dark(classes: int, per_class: int, size: int = 1) -> SampleSet:
    label = np.repeat(np.arange(classes), per_class)
    names = tuple(map(str, range(classes)))
    return SampleSet(np.zeros((len(label), size, size, 1), np.uint8), label, names)


def test_images_are_replaced_and_labels_kept() -> None:
    train = dark(4, 100)
    noisy = open_set(train, rate=0.5, share=0.6, foreign=foreign(), redraw="exclusive")
    replaced = noisy.truth == -1
    assert replaced.sum() == 120
    assert (noisy.label[replaced] == train.label[replaced]).all()
    wrong = noisy.label != train.label
    assert wrong.sum() == 80 and not (wrong & replaced).any()
    shown = np.array([noisy.samples[i][0, 0, 0] == 255 for i in range(len(train))])
    assert (shown == replaced).all()
    assert (noisy.truth[~replaced] == train.label[~replaced]).all()
    closed = 1 - np.diag(noisy.transition)
    assert closed == pytest.approx(np.full(4, 0.2 / 0.7))


def test_each_foreign_image_is_used_once() -> None:
    train = dark(2, 50)
    others = foreign(100)
    others.train.samples[:, 0, 0, 0] = np.arange(100) + 100
    noisy = open_set(train, rate=1.0, share=1.0, foreign=others)
    assert sorted(noisy.samples[i][0, 0, 0] for i in range(100)) == list(range(100, 200))
    assert (noisy.truth == -1).all()


def test_foreign_images_take_the_size_of_those_they_replace() -> None:
    noisy = open_set(dark(2, 5, size=8), rate=1.0, share=1.0, foreign=foreign(size=3))
    assert noisy.samples[0].shape == (8, 8, 1) and noisy.samples[0].min() == 255


def test_impossible_settings_are_refused() -> None:
    train = dark(2, 50)
    with pytest.raises(ValueError, match=r"at least 100 images of argument `foreign`, but got 7"):
        open_set(train, rate=1.0, share=1.0, foreign=foreign(7))
    with pytest.raises(ValueError, match=r"1 channels, uint8 of scale 255, but got 3"):
        open_set(train, rate=1.0, share=1.0, foreign=foreign(channels=3))
    with pytest.raises(ValueError, match=r"argument `share`"):
        open_set(train, rate=1.0, share=1.1, foreign=foreign())


def test_a_recipe_names_the_foreign_data_set(tmp_path) -> None:
    path = tmp_path / "foreign.npz"
    np.savez(path, x_train=np.full((50, 1, 1), 255, np.uint8), y_train=np.zeros(50, np.int64))
    spec = noise.spec(
        {"kind": "open_set", "rate": 0.5, "foreign": {"kind": "arrays", "file": str(path)}}
    )
    noisy = spec.bind()(balanced(4, 10))
    assert (noisy.truth == -1).sum() == 10
    assert spec.as_dict()["foreign"]["file"] == str(path)


@pytest.mark.parametrize(
    ("samples", "rate", "share", "replaced", "hit"),
    [(1000, 0.5, 0.6, 300, 200), (1000, 0.3, 0.5, 150, 150), (733, 0.45, 0.31, 102, 227)],
)
def test_the_authors_numbers(
    samples: int, rate: float, share: float, replaced: int, hit: int
) -> None:
    """MrChenFeng/SSR_BMVC2022 849530d, dataloader_cifar.py; of 733 it replaces 101 and hits 228.

    There its share is of the rounded number of hits, 329, here of all: floor(.45 * .31 * 733).
    """
    train = SampleSet(
        np.zeros((samples, 1, 1, 1), np.uint8), np.arange(samples) % 10, tuple("0123456789")
    )
    others = foreign(400)
    noisy = open_set(train, rate=rate, share=share, foreign=others, redraw="exclusive")
    assert (noisy.truth == -1).sum() == replaced
    assert (noisy.label != train.label).sum() == hit

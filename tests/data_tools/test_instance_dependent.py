import numpy as np
import pytest
from scipy.stats import truncnorm

from data_tools.noise import instance_dependent as module
from data_tools.noise.instance_dependent import instance_dependent
from data_tools.samples import SampleSet
from tests.data_tools.empirical import empirical_transition


@pytest.fixture(scope="module")
def train() -> SampleSet:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (5000, 6, 6, 3), np.uint8)
    return SampleSet(images, random.integers(0, 10, 5000), tuple(map(str, range(10))))


@pytest.mark.parametrize("pixels", ["raw", "unit", "normalized"])
def test_mean_rate_is_the_rate_asked_for(train: SampleSet, pixels: str) -> None:
    noisy = instance_dependent(train, rate=0.4, pixels=pixels)
    assert np.mean(noisy.label != train.label) == pytest.approx(0.4, abs=0.02)
    assert 1 - np.diag(noisy.transition).mean() == pytest.approx(0.4, abs=0.01)
    found = empirical_transition(noisy.label, noisy.truth, 10)
    assert np.abs(found - noisy.transition).max() < 0.08


def test_the_cut_moves_the_mean_of_small_rates(train: SampleSet) -> None:
    """Mean of a normal (0.1, 0.1) cut at 0: 0.1 + 0.1 phi(1) / Phi(1)."""
    noisy = instance_dependent(train, rate=0.1)
    assert 1 - np.diag(noisy.transition).mean() == pytest.approx(0.12876, abs=0.004)
    assert (instance_dependent(train, rate=0.0).label == train.label).all()


def test_pixel_scales_are_different_problems(train: SampleSet) -> None:
    """The larger the pixels, the more of a class's flips go to one target."""
    sharpness = {}
    for pixels in ("raw", "unit", "normalized"):
        matrix = instance_dependent(train, rate=0.4, pixels=pixels).transition.copy()
        np.fill_diagonal(matrix, 0)
        sharpness[pixels] = (matrix.max(axis=1) / matrix.sum(axis=1)).mean()
    assert sharpness["unit"] > sharpness["normalized"] + 0.1
    assert sharpness["raw"] > sharpness["normalized"] + 0.1


def test_chances_by_hand() -> None:
    score = np.log(np.array([[5.0, 1.0, 3.0], [5.0, 2.0, 2.0]]))
    found = module._chances(score, 0, np.array([0.4, 0.2]))
    assert found == pytest.approx(np.array([[0.6, 0.1, 0.3], [0.8, 0.1, 0.1]]))
    drawn = module._drawn(found, np.array([0.65, 0.95]))
    assert drawn.tolist() == [1, 2]


def test_blocks_do_not_change_the_labels(train: SampleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = instance_dependent(train, rate=0.4, pixels="normalized")
    monkeypatch.setattr(module, "BLOCK_BYTES", 8 * 108 * 7)
    assert (instance_dependent(train, rate=0.4, pixels="normalized").label == whole.label).all()


def test_projection_is_the_same_for_all_images_of_a_class(train: SampleSet) -> None:
    flat = train.samples[:3].reshape(3, -1).astype(float)
    together = module._scores(flat, 2, 10, seed=0)
    apart = np.vstack([module._scores(row[None], 2, 10, seed=0) for row in flat])
    assert together == pytest.approx(apart)
    assert not np.allclose(together, module._scores(flat, 3, 10, seed=0))


def test_images_of_several_sizes_are_refused() -> None:
    images = [np.zeros((4, 4, 1), np.uint8), np.zeros((5, 4, 1), np.uint8)]
    train = SampleSet(images, np.array([0, 1]), ("a", "b"))
    with pytest.raises(ValueError, match=r"images of one size"):
        instance_dependent(train, rate=0.4)


# xiaoboxia/Part-dependent-label-noise b682527, `get_instance_noisy_label` of tools.py: six images
# of twelve values, classes 0, 1, 2, 0, 1, 2, rate 0.4, its seed 7: the chances of each label.
CHANCES = [
    [0.743015, 0.187304, 0.069682],
    [0.060625, 0.522806, 0.416569],
    [0.028931, 0.355573, 0.615496],
    [0.540681, 0.30744, 0.151879],
    [0.19613, 0.39861, 0.40526],
    [0.077097, 0.332571, 0.590332],
]


def test_the_authors_chances() -> None:
    """Given their rates and projections, which numpy's legacy generator draws."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 12)).astype(np.float32) / 255
    legacy = np.random.RandomState(7)
    cut = truncnorm(-0.4 / 0.1, 0.6 / 0.1, loc=0.4, scale=0.1)
    rates = cut.rvs(6, random_state=legacy)
    projection = legacy.randn(3, 12, 3)
    for row, (image, rate, chances) in enumerate(zip(pixels, rates, CHANCES, strict=True)):
        found = module._chances(image[None] @ projection[row % 3], row % 3, np.array([rate]))
        np.testing.assert_allclose(found[0], chances, atol=2e-6)

"""Small losses by two Beta densities."""

from __future__ import annotations

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.betas import Scaling, beta_mixture
from supcon_ext.selectors.bmm import Bmm
from tests.selectors.scenes import SCENES, bits, scene

LOSSES = torch.tensor([0.10, 0.12, 0.11, 0.13, 0.90, 1.00, 0.95])


def bank(loss: torch.Tensor, label: torch.Tensor | None = None, classes: int = 1) -> SampleBank:
    label = torch.zeros(len(loss), dtype=torch.int64) if label is None else label
    return SampleBank(torch.arange(len(loss)), label, classes, loss=loss)


def test_by_hand() -> None:
    for loss in (LOSSES, 3 * LOSSES + 2):
        made = Bmm().select(bank(loss), 0)
        assert made.trust.tolist() == [1, 1, 1, 1, 0, 0, 0]
        assert made.score is not None and torch.equal(made.score, -loss)


def test_skewed_losses_with_planted_noise() -> None:
    """Neither component is a Beta density; both are told apart all the same."""
    draw = torch.Generator().manual_seed(0)
    clean = -torch.rand(700, generator=draw).log() * 0.15
    noisy = 2.5 + 0.6 * torch.randn(300, generator=draw)
    made = Bmm().select(bank(torch.cat([clean, noisy])), 0)
    right = (made.trust > 0.5) == (torch.arange(1000) < 700)
    assert right.float().mean() > 0.95


@pytest.mark.parametrize("per_class", [False, True])
def test_what_says_nothing_is_kept(per_class: bool, caplog: pytest.LogCaptureFixture) -> None:
    made = Bmm(per_class=per_class).select(bank(torch.full((6,), 0.7)), 0)
    assert made.trust.tolist() == [1] * 6
    assert "trust" in caplog.text


def test_per_class_with_classes_of_one_and_of_none() -> None:
    loss = torch.cat([LOSSES, 8 + LOSSES, torch.tensor([20.0])])
    label = torch.tensor([0] * 7 + [1] * 7 + [3])
    made = Bmm(per_class=True).select(bank(loss, label, 4), 0)
    assert made.trust.tolist() == [1, 1, 1, 1, 0, 0, 0] * 2 + [1]
    assert made.stats["classes_kept_whole"] == 1


def test_the_threshold() -> None:
    loss = torch.cat([torch.linspace(0, 1, 40), torch.linspace(0.8, 2.0, 30)])
    kept = [Bmm(threshold=t).select(bank(loss), 0).trust.sum().item() for t in (0.05, 0.5, 0.95)]
    assert kept[0] > kept[1] > kept[2] > 0


# PaulAlbert31/LabelNoiseCorrection 5e9a73e, `track_training_loss` and `BetaMixture1D` of utils.py:
# whose posterior of the noisy component is at most 0.5, the same by the code's table of 100 values,
# and the posterior of the first six.
BMM_KEEPS: dict[str, tuple[str, str, list[float]]] = {
    "balanced 0": (
        "101011011111110011010111111111110111111111111101011010101101",
        "101011011111110011010111111111110111111111111101011010101101",
        [0.046, 1.0, 0.4282, 1.0, 0.1346, 0.1516],
    ),
    "balanced 1": (
        "110111111011111101001011111001101111001011101111011111001111",
        "010101101011111101001011111001101011001010101111011111001111",
        [0.1311, 0.1296, 1.0, 0.0826, 0.2066, 0.0779],
    ),
    "balanced 2": (
        "101011000111111111101111111111111111111111111110101111111111",
        "101011000101110110101111011111111111110111101110101111111111",
        [0.4323, 1.0, 0.0675, 1.0, 0.1581, 0.0559],
    ),
    "long tail": (
        "00111110110111101110010011100110011100111101111111",
        "00000000000000000000000000000000000000000000000000",
        [1.0, 1.0, 0.1137, 0.1197, 0.118, 0.1399],
    ),
    "class of one": (
        "1110001011011101010011100101001111001110111",
        "1110001011011101010011100101001111001110111",
        [0.059, 0.0612, 0.061, 1.0, 0.9813, 1.0],
    ),
    "one class": (
        "10101111001110001001",
        "00000000000000000000",
        [0.2405, 1.0, 0.1166, 1.0, 0.1608, 0.1205],
    ),
}
RISING_AT_ZERO = ("long tail", "one class")  # the noisy density has a < 1, and wins at 0


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_mixture(name: str) -> None:
    """Where their mixture doubts the smallest losses (and so their table all), ours does not."""
    kept, by_table, posterior = BMM_KEEPS[name]
    known = scene(name)
    loss = known.need("loss")
    found = bits(Bmm().select(known, 0).trust)
    noisy = beta_mixture(loss)
    assert noisy is not None
    if name in RISING_AT_ZERO:
        assert set(by_table) == {"0"}
        added = torch.tensor([a != b for a, b in zip(found, kept, strict=True)])
        believed = torch.tensor([a == "1" for a in kept])
        assert 0 < added.sum() < 10 and loss[added].max() < loss[believed].min()
        return
    assert found == kept
    expected = torch.tensor(posterior)
    middle = (expected > 0.4) & (expected < 0.6)  # below, the smallest losses are held down
    torch.testing.assert_close((1 - noisy)[:6][middle], expected[middle], atol=2e-3, rtol=0)
    torch.testing.assert_close((1 - noisy)[:6], expected, atol=0.12, rtol=0)


@pytest.mark.parametrize(
    ("scaling", "kept"), [("percentiles", [1] * 6 + [0] * 5), ("range", [1] * 10 + [0])]
)
def test_one_loss_far_out(scaling: Scaling, kept: list[int]) -> None:
    """The authors keep six; with the smallest and largest as ends, 8 alone is left out."""
    loss = torch.tensor([0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 2, 2.2, 2.5, 2.6, 8])
    assert Bmm(scaling=scaling).select(bank(loss), 0).trust.tolist() == kept


def test_four_losses_as_the_authors_fit_them() -> None:
    """Their table says .770, 0, .535 and .444 of the same losses."""
    made = Bmm().select(bank(torch.tensor([0.88, 0.5, 0.7, 0.67])), 0)
    assert made.trust.tolist() == [0, 1, 0, 1]
    found = beta_mixture(torch.tensor([0.88, 0.5, 0.7, 0.67]))
    assert found is not None
    torch.testing.assert_close(1 - found[2:], torch.tensor([0.532819, 0.441155]), atol=1e-3, rtol=0)


def test_few_values_between_the_percentiles_are_brought_to_the_range() -> None:
    """One value lies between those of two or three, and none differs here: the authors get nan."""
    for loss in ([0.3, 0.9], [0.001] * 38 + [2.0, 3.0]):
        told = torch.tensor(loss)
        first, second = beta_mixture(told), beta_mixture(told, "range")
        assert first is not None and second is not None and torch.equal(first, second)
        assert (first > 0.5).tolist() == [v < 0.5 for v in loss]

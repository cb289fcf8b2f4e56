"""SSR by hand: relabelling, the vote with oneself, the prior."""

from __future__ import annotations

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.neighbours import nearest_neighbours
from supcon_ext.selectors.ssr import SSR, balanced_vote
from tests.selectors.scenes import bits, scene


def bank(center: list[int], label: list[int], probability: torch.Tensor) -> SampleBank:
    where = torch.tensor(center)
    generator = torch.Generator().manual_seed(0)
    features = torch.eye(4)[where] + 0.01 * torch.randn(len(center), 4, generator=generator)
    return SampleBank(
        torch.arange(len(center)),
        torch.tensor(label),
        probability.shape[1],
        features=features,
        logits=probability.double().log(),
    )


def unsure(count: int, classes: int) -> torch.Tensor:
    return torch.full((count, classes), 1 / classes)


def test_the_vote_counts_the_sample_itself_and_divides_by_the_prior() -> None:
    features = torch.tensor([[1.0, 0], [1, 0.01], [1, 0.02], [0, 1], [0.01, 1], [0.02, 1]])
    label = torch.tensor([0, 0, 1, 1, 1, 1])
    found = balanced_vote(nearest_neighbours(features, 2), label, 3)
    expected = torch.tensor([2 / 3 * 3, 1 / 3 * 1.5, 0], dtype=torch.float64)
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[2], expected)
    torch.testing.assert_close(found[3], torch.tensor([0, 1.5, 0], dtype=torch.float64))


def test_kept_are_those_whom_the_neighbours_confirm() -> None:
    data = bank([0] * 4 + [1] * 4, [0, 0, 0, 1, 1, 1, 1, 0], unsure(8, 2))
    found = SSR(neighbours=4).refresh(data, 0)
    assert found.trust.tolist() == [1, 1, 1, 0, 1, 1, 1, 0]
    third = pytest.approx(1 / 3)
    assert found.ranking.tolist() == [1, 1, 1, third, 1, 1, 1, third]
    assert torch.equal(found.label, data.label)
    assert found.posterior is not None
    assert found.posterior[3].tolist() == pytest.approx([0.75, 0.25])


def test_sure_predictions_relabel_and_vote() -> None:
    probability = unsure(8, 2)
    probability[3] = torch.tensor([0.95, 0.05])
    probability[7] = torch.tensor([0.11, 0.89])  # not sure enough
    data = bank([0] * 4 + [1] * 4, [0, 0, 0, 1, 1, 1, 1, 0], probability)
    found = SSR(neighbours=4).refresh(data, 0)
    assert found.label.tolist() == [0, 0, 0, 0, 1, 1, 1, 0]
    assert found.stats["relabelled"] == 1
    assert found.trust.tolist() == [1] * 7 + [0]
    # 5 of 8 now say 0: at the noisy point 1 has 3/4 / (3/8), 0 has 1/4 / (5/8)
    assert float(found.ranking[7]) == pytest.approx((0.25 / 0.625) / (0.75 / 0.375))
    assert SSR(theta_r=0.8, neighbours=4).refresh(data, 0).label.tolist() == [0] * 4 + [1] * 4


def test_exactly_the_threshold_does_not_relabel() -> None:
    probability = unsure(4, 2)
    data = bank([0, 0, 1, 1], [1, 0, 1, 1], probability)
    assert SSR(theta_r=0.5, neighbours=2).refresh(data, 0).label.tolist() == [1, 0, 1, 1]


def test_a_lower_ratio_keeps_more() -> None:
    data = bank([0] * 4 + [1] * 4, [0, 0, 0, 1, 1, 1, 1, 0], unsure(8, 2))
    assert SSR(theta_s=0.3, neighbours=4).refresh(data, 0).trust.tolist() == [1] * 8


def test_order_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(50, 5, generator=generator)
    logits, label = 3 * torch.randn(50, 3, generator=generator), torch.arange(50) % 3
    order = torch.randperm(50, generator=generator)
    plain = SampleBank(torch.arange(50), label, 3, features=features, logits=logits)
    found = SSR(neighbours=9).refresh(plain, 0)
    moved = SSR(neighbours=9).refresh(plain.take(order), 0)
    assert torch.equal(found.trust[order], moved.trust)
    assert torch.equal(found.label[order], moved.label)


def test_small_classes_and_too_many_neighbours() -> None:
    data = bank([0, 0, 0, 1], [0, 0, 0, 2], unsure(4, 4))
    found = SSR().refresh(data, 0)
    assert bool(found.ranking.isfinite().all())
    assert found.posterior is not None
    torch.testing.assert_close(found.posterior.sum(1), torch.ones(4))
    assert found.trust[3] == 1  # a class of one, by its prior


def test_what_it_needs() -> None:
    assert SSR().requires == {"logits", "features"}
    with pytest.raises(ValueError, match="logits"):
        SSR().refresh(SampleBank(torch.arange(2), torch.arange(2), 2), 0)


# MrChenFeng/SSR_BMVC2022 849530d, `evaluate` of main_cifar.py: scene, theta_r, theta_s and K; who
# is kept, the labels after relabelling, and the ratio of votes of the first six.
SSR_KEEPS = [
    (
        "balanced 0",
        0.9,
        1.0,
        10,
        "100011111110101011001010111111110111111111111101011000101101",
        "022200000002020311313311111111220222222222222313133131313313",
        [1.0, 0.28947, 0.11579, 0.34737, 1.0, 1.0],
    ),
    (
        "balanced 1",
        0.9,
        1.0,
        10,
        "110111111011111010111011011110111111011011101111011101001101",
        "002000000200000131331311111331202222022022202333133313113333",
        [1.0, 1.0, 0.56044, 1.0, 1.0, 1.0],
    ),
    (
        "balanced 2",
        0.9,
        1.0,
        10,
        "001011000100111101101111111101011111001111111110001111011111",
        "330300333003000111101111111101122222222222222332223333333333",
        [0.35088, 0.52632, 1.0, 0.35088, 1.0, 1.0],
    ),
    (
        "long tail",
        0.9,
        1.0,
        10,
        "11100011111110011001110100100010110101101110111100",
        "33003003030000003003303000003010110101101122222233",
        [1.0, 1.0, 1.0, 0.75, 0.57143, 0.75],
    ),
    (
        "class of one",
        0.9,
        1.0,
        10,
        "1110111011111111110111101111101111011110111",
        "0002000200000000002011131111131122022220223",
        [1.0, 1.0, 1.0, 0.24675, 1.0, 1.0],
    ),
    (
        "one class",
        0.9,
        1.0,
        10,
        "11111111111111111111",
        "00000000000000000000",
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    (
        "balanced 0",
        0.6,
        1.0,
        10,
        "110011111110111011111010111111111111111111111101111001101101",
        "002200000002000311111311111111222222222222222313333133313313",
        [1.0, 1.0, 0.13333, 0.22222, 1.0, 1.0],
    ),
    (
        "balanced 1",
        0.6,
        1.0,
        10,
        "111111111011111001111011111111111111011001111111011101001101",
        "000000000200000131131311111131202222022022222333133313113333",
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    (
        "balanced 2",
        0.6,
        1.0,
        10,
        "011111110110111101101111111101011111001111111111001111011111",
        "300000003003000111101111111101122222222222222333233333333333",
        [0.20588, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    (
        "long tail",
        0.6,
        1.0,
        10,
        "01100011111101011100001100101010110101101110111100",
        "03003003030000003000000000000010110101101122222233",
        [0.96552, 1.0, 1.0, 0.96552, 0.51786, 0.96552],
    ),
    (
        "class of one",
        0.6,
        1.0,
        10,
        "1110111011111111110111111111101111011110111",
        "0002000200000000002011111111131122022220223",
        [1.0, 1.0, 1.0, 0.24675, 1.0, 1.0],
    ),
    (
        "one class",
        0.6,
        1.0,
        10,
        "11011101011110111011",
        "00000000000000100000",
        [1.0, 1.0, 0.47368, 1.0, 1.0, 1.0],
    ),
    (
        "balanced 0",
        0.8,
        0.5,
        15,
        "100011111110111011111011111111110111111111111101111110101111",
        "022200000002020311113311111111220222222222222313133131313313",
        [1.0, 0.24812, 0.24812, 0.24812, 1.0, 1.0],
    ),
    (
        "balanced 1",
        0.8,
        0.5,
        15,
        "110111111011111011111111111111111111011111101111011101111111",
        "002000000200000131331311111331202222022022202333133313113333",
        [1.0, 1.0, 0.32692, 1.0, 1.0, 1.0],
    ),
    (
        "balanced 2",
        0.8,
        0.5,
        15,
        "011011001111111111101111111101011111111111111110001111111111",
        "300300333003000111101111111101122222222222222332223333333333",
        [0.38194, 1.0, 1.0, 0.45833, 1.0, 1.0],
    ),
    (
        "long tail",
        0.8,
        0.5,
        15,
        "11111111111111111111111111111111110101101110111111",
        "33003003030000003000303000003010110101101122222233",
        [1.0, 1.0, 0.99, 0.50286, 0.90909, 0.66],
    ),
    (
        "class of one",
        0.8,
        0.5,
        15,
        "1110111011111111110111111111111111111110111",
        "0002000200000000002011131111131122022220223",
        [1.0, 1.0, 1.0, 0.15702, 1.0, 1.0],
    ),
    (
        "one class",
        0.8,
        0.5,
        15,
        "11111111111111111111",
        "00000000000000000000",
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
]


@pytest.mark.parametrize(
    ("name", "theta_r", "theta_s", "neighbours", "kept", "label", "ratio"), SSR_KEEPS
)
def test_the_authors_selection(
    name: str,
    theta_r: float,
    theta_s: float,
    neighbours: int,
    kept: str,
    label: str,
    ratio: list[float],
) -> None:
    made = SSR(theta_r, theta_s, neighbours).select(scene(name), 0)
    assert "".join(map(str, made.label.tolist())) == label
    torch.testing.assert_close(made.ranking[:6], torch.tensor(ratio), atol=1e-5, rtol=0)
    exactly = (made.ranking == theta_s) & (made.ranking < 1)  # their ratio, in float32, is below
    found = bits(made.trust.masked_fill(exactly, 0))
    assert found == kept
    assert int(exactly.sum()) == (name == "balanced 0" and theta_s == 0.5)

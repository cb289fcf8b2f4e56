"""SSR by hand: relabelling, the vote with oneself, the prior."""

from __future__ import annotations

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.neighbours import nearest_neighbours
from supcon_ext.selectors.ssr import SSR, balanced_vote


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

"""Mean margins by hand, planted noise, the guards, and resuming."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from supcon_ext.selectors.aum import Aum
from supcon_ext.selectors.base import SampleBank
from tests.selectors.scenes import SCENES, refreshes, scene


def bank(logits: torch.Tensor, label: torch.Tensor) -> SampleBank:
    return SampleBank(torch.arange(len(logits)), label, logits.shape[1], logits=logits)


def test_by_hand() -> None:
    label = torch.tensor([0, 0, 1, 1])
    first = torch.tensor([[4.0, 1, 0], [5, 1, 0], [4, 0, 2], [0, 5, 1]])
    second = torch.tensor([[6.0, 0, 1], [4, 2, 0], [3, 3, 1], [0, 5, 1]])
    rule = Aum()
    made = rule.select(bank(first, label), 0)
    assert made.ranking.tolist() == [3, 4, -4, 4]
    made = rule.select(bank(second, label), 1)
    assert made.ranking.tolist() == [4, 3, -2, 4]
    assert made.trust.tolist() == [1, 1, 0, 1]
    assert made.stats["low_share"] == pytest.approx(0.75, abs=1e-3)  # of the negated margins


def test_planted_noise_is_found_and_the_farthest_margins_are_not_taken_for_clean() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(1001).long()
    margin = torch.cat(
        [
            4 + 2 * torch.randn(600, generator=generator),
            -3 + 0.4 * torch.randn(400, generator=generator),
            torch.tensor([-9.0]),
        ]
    )
    made = Aum().select(bank(torch.stack([margin, torch.zeros(1001)], 1), label), 0)
    torch.testing.assert_close(made.ranking, margin)
    assert ((made.trust > 0.5) == (torch.arange(1001) < 600)).float().mean() > 0.98
    assert made.trust[-1] == 0
    assert made.trust[margin.argsort()].diff().min() >= 0  # a larger margin is never believed less


@pytest.mark.parametrize("per_class", [False, True])
def test_margins_that_are_all_the_same_keep_all(
    per_class: bool, caplog: pytest.LogCaptureFixture
) -> None:
    label = torch.arange(6) % 3
    logits = 2 * functional.one_hot(label, 3).float()
    made = Aum(per_class=per_class).select(bank(logits, label), 0)
    assert made.trust.tolist() == [1] * 6 and "trust" in caplog.text


def test_per_class_with_classes_of_one_and_of_none() -> None:
    margin = torch.tensor([5.0, 5.1, 4.9, -3.0, -3.1, 1.0, 1.1, 0.9, -9.0, -9.1, 0.0])
    label = torch.tensor([0] * 5 + [1] * 5 + [3])
    logits = torch.zeros(11, 4).scatter(1, label[:, None], margin[:, None])
    made = Aum(per_class=True).select(bank(logits, label), 0)
    assert made.trust.tolist() == [1, 1, 1, 0, 0] * 2 + [1]
    assert made.stats["classes_kept_whole"] == 1


@pytest.mark.parametrize("done", [0, 1, 3])
def test_it_resumes_to_the_same_selection(done: int) -> None:
    every = torch.randn(done + 2, 20, 3, generator=torch.Generator().manual_seed(0))
    label = torch.arange(20) % 3
    rule, resumed = Aum(), Aum()
    for logits in every[:done]:
        rule.select(bank(logits, label), 0)
    resumed.load_state_dict(copy.deepcopy(rule.state_dict()))
    for logits in every[done:]:
        first, second = rule.select(bank(logits, label), 0), resumed.select(bank(logits, label), 0)
        assert torch.equal(first.trust, second.trust)
        assert torch.equal(first.ranking, second.ranking)


# asappresearch/aum 892e76e, `AUMCalculator` after five refreshes: the first six, the sum and the
# sum of squares of all.
MARGINS: dict[str, tuple[list[float], float, float]] = {
    "balanced 0": (
        [2.137259, -1.213347, 0.222026, -1.298617, 0.85005, 1.192444],
        34.41178,
        119.8188,
    ),
    "balanced 1": (
        [3.169479, 1.208349, -1.354863, 1.544908, 2.512995, 2.459596],
        49.17281,
        158.1285,
    ),
    "balanced 2": (
        [-1.229102, -1.903249, 2.249819, -1.590954, 0.581639, 0.942428],
        43.73909,
        124.6959,
    ),
    "long tail": (
        [-2.728384, -1.389834, 1.143904, 1.403554, -0.080503, 1.402008],
        28.90749,
        101.9008,
    ),
    "class of one": (
        [1.62998, 1.543423, 1.270257, -0.413602, 0.272573, -0.228946],
        40.57617,
        89.3039,
    ),
    "one class": ([1.624906, 2.868996, 1.804006, 1.911171, 2.177239, 1.982099], 39.91782, 89.4001),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_mean_margins(name: str) -> None:
    first, total, squares = MARGINS[name]
    known, rule = scene(name), Aum()
    for logits in refreshes(known):
        made = rule.select(replace(known, logits=logits), 0)
    torch.testing.assert_close(made.ranking[:6], torch.tensor(first), atol=2e-6, rtol=0)
    assert made.ranking.sum().item() == pytest.approx(total, abs=1e-4)
    assert made.ranking.square().sum().item() == pytest.approx(squares, abs=1e-3)

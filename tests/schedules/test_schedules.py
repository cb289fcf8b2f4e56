import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from supcon_ext.schedules.base import Factor, schedule
from supcon_ext.schedules.constant import constant
from supcon_ext.schedules.cosine import cosine
from supcon_ext.schedules.step import step

REQUIRED: dict[str, dict[str, Any]] = {"step": {"milestones": [4.0, 8.0]}}


def sgd(lr: float = 0.5) -> torch.optim.SGD:
    return torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=lr)


@pytest.mark.parametrize(
    ("position", "expected"),
    [(0, 0.01), (5, 0.505), (10, 1.0), (35, 0.5 + math.sqrt(0.125)), (60, 0.5), (110, 0.0)],
)
def test_cosine_after_ten_epochs_of_warmup(position: float, expected: float) -> None:
    assert cosine(warmup_epochs=10)(position, 110) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("position", "expected"), [(0, 1.0), (50, 0.55), (100, 0.1)])
def test_cosine_down_to_a_tenth(position: float, expected: float) -> None:
    assert cosine(final=0.1)(position, 100) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("position", "expected"),
    [(0, 0.2), (2.5, 0.6), (5, 1.0), (159.99, 1.0), (160, 0.1), (180, 0.01), (200, 0.01)],
)
def test_steps_fall_at_the_milestones(position: float, expected: float) -> None:
    factor = step(milestones=[160, 180], warmup_epochs=5, warmup_from=0.2)
    assert factor(position, 200) == pytest.approx(expected, abs=1e-15)


def test_a_milestone_inside_the_warmup_lowers_its_peak() -> None:
    factor = step(milestones=[2], gamma=0.5, warmup_epochs=4, warmup_from=0.0)
    assert [factor(position, 8) for position in (0, 2, 4, 8)] == [0.0, 0.25, 0.5, 0.5]


def test_constant_is_one_after_the_warmup() -> None:
    factor = constant(warmup_epochs=2, warmup_from=0.5)
    assert [factor(position, 4) for position in (0, 1, 2, 4)] == [0.5, 0.75, 1.0, 1.0]
    assert constant()(0, 4) == 1.0


def test_a_stage_that_is_all_warmup_ends_at_the_full_rate() -> None:
    factor = cosine(warmup_epochs=4, warmup_from=0.0)
    assert [factor(position, 4) for position in (0, 2, 4)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("name", schedule.names())
@settings(deadline=None, max_examples=30)
@given(
    warmup=st.floats(0, 10),
    low=st.floats(0, 1),
    place=st.floats(0, 1),
    other=st.floats(0, 1),
)
def test_up_in_the_warmup_down_after_it_and_never_out_of_bounds(
    name: str, warmup: float, low: float, place: float, other: float
) -> None:
    factor: Factor = schedule.get(name).target(
        warmup_epochs=warmup, warmup_from=low, **REQUIRED.get(name, {})
    )
    epochs = 20.0
    first, second = sorted((place, other))
    rest = epochs - warmup
    after = [factor(warmup + share * rest, epochs) for share in (first, second)]
    during = [factor(share * warmup, epochs) for share in (first, second)]
    peak = factor(warmup, epochs)
    assert 1 >= after[0] >= after[1] >= -1e-15
    assert all(min(low, peak) - 1e-12 <= value <= max(low, peak) + 1e-12 for value in during)
    if warmup > 1e-6:
        assert factor(0.0, epochs) == pytest.approx(low)
        assert factor(warmup * (1 - 1e-9), epochs) == pytest.approx(peak, abs=1e-8)


@pytest.mark.parametrize(
    "factor",
    [cosine(warmup_epochs=10), constant(warmup_epochs=10), step(milestones=[2], warmup_epochs=10)],
    ids=["cosine", "constant", "step"],
)
@pytest.mark.parametrize("epochs", [1.0, 5.0, 10.0])
def test_a_stage_shorter_than_its_warmup_is_the_beginning_of_the_longer_one(
    factor: Factor, epochs: float
) -> None:
    for share in (0.0, 0.3, 0.9):
        assert factor(share * epochs, epochs) == factor(share * epochs, 40.0)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: cosine(final=1.5), "final"),
        (lambda: cosine(warmup_epochs=-1), "warmup_epochs"),
        (lambda: constant(warmup_epochs=math.inf), "warmup_epochs"),
        (lambda: constant(warmup_from=2), "warmup_from"),
        (lambda: step(milestones=[]), "milestones"),
        (lambda: step(milestones=[3, 2]), "milestones"),
        (lambda: step(milestones=[0, 2]), "milestones"),
        (lambda: step(milestones=[1], gamma=0), "gamma"),
    ],
)
def test_nonsense_is_refused(make: Callable[[], object], argument: str) -> None:
    with pytest.raises(ValueError, match=f"Expected .*`{argument}`"):
        make()


def test_recipes_bound_the_same_numbers() -> None:
    for wrong in (
        {"kind": "cosine", "final": 1.5},
        {"kind": "cosine", "warmup_epochs": -1},
        {"kind": "step", "milestones": []},
        {"kind": "step"},
    ):
        with pytest.raises(ValueError, match="1 validation error"):
            schedule.spec(wrong)
    assert schedule.spec({"kind": "step", "milestones": [60, 80]}).as_dict() == {
        "kind": "step",
        "milestones": [60.0, 80.0],
        "gamma": 0.1,
        "warmup_epochs": 0.0,
        "warmup_from": 0.01,
    }

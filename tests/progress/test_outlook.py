"""How long a run will go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supcon_ext.progress.outlook import GUESS_SECONDS, GUESS_STEPS, Outlook, Work, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3_570, "1 h"),
        (3_600, "1 h"),
        (34_800, "9 h 40 min"),
        (47 * 3_600 + 59 * 60, "47 h 59 min"),
        (48 * 3_600, "2 days"),
        (76 * 3_600, "3 days 4 h"),
        (1e12, "11,574,074 days 2 h"),
    ],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0.5, 50)), min_size=1, max_size=4),
    st.floats(0.1, 100),
)
def test_at_a_steady_pace_every_guess_is_right(
    stages: list[tuple[int, float]], seconds: float
) -> None:
    """Steps of a length that is as their work: what is left is exactly what is left."""
    outlook = Outlook([Work(str(n), steps * work) for n, (steps, work) in enumerate(stages)])
    now = began = 7.0
    total = sum(steps * work for steps, work in stages) * seconds
    taken = 0
    for number, (steps, work) in enumerate(stages):
        outlook.begin(str(number), 0, now)
        for step in range(steps):
            now += work * seconds
            taken += 1
            outlook.step((step + 1) / steps)
            left = outlook.left(now)
            if taken >= GUESS_STEPS and now - began >= GUESS_SECONDS:
                assert left == pytest.approx(began + total - now, abs=1e-6 * total)
            else:
                assert left is None or left == pytest.approx(began + total - now, abs=1e-6 * total)


def test_nothing_is_said_before_anything_is_known() -> None:
    outlook = Outlook([Work("a", 1)])
    assert outlook.left(0) is None or outlook.left(0) == 0
    outlook.begin("a", 0, 10)
    assert outlook.left(1_000) is None
    outlook.step(0.1)
    assert outlook.left(10 + GUESS_SECONDS) is None
    assert outlook.left(110) == pytest.approx(900)

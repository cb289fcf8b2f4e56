"""A selection is widened where it keeps too little, and never NaN."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch

from supcon_ext.selectors.base import Role, Selection
from supcon_ext.selectors.guards import guarded

NAN = float("nan")


def selection(trust: list[float], label: list[int], score: list[float] | None = None) -> Selection:
    ranked = None if score is None else torch.tensor(score)
    return Selection.of(torch.tensor(label), torch.tensor(trust), {"kept": 1.0}, ranked)


def test_a_sound_selection_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    made = selection([1, 0, 0.7, 0.2], [0, 0, 1, 1], [4, 3, 2, 1])
    with caplog.at_level(logging.WARNING):
        found = guarded(made, 2, 1)
    assert torch.equal(found.trust, made.trust)
    assert found.stats == {"kept": 1.0, "widened": 0.0}
    assert not caplog.records


@pytest.mark.parametrize(
    ("minimum", "kept", "widened"),
    [
        (0, [0], 0),
        (1, [0, 4], 1),
        (2, [0, 2, 3, 4], 3),
        (9, [0, 1, 2, 3, 4, 5], 5),
    ],
)
def test_each_class_keeps_its_best(
    minimum: int, kept: list[int], widened: int, caplog: pytest.LogCaptureFixture
) -> None:
    # of equal scores the smaller index; class 2 has one sample of its own, class 3 none
    made = selection([1, 0, 0, 0, 0, 0.5], [0, 0, 0, 1, 1, 2], [5, 1, 1.5, 2, 3, 0])
    made = replace(made, trust=torch.tensor([1.0, 0, 0, 0, 0, 1]))
    with caplog.at_level(logging.WARNING):
        found = guarded(made, 4, minimum)
    assert (found.trust > 0.5).nonzero()[:, 0].tolist() == sorted({*kept, 5})
    assert found.stats["widened"] == (widened if minimum < 9 else 4)
    assert bool(caplog.records) == (minimum > 0)


def test_ties_go_to_the_smaller_index() -> None:
    made = selection([0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 2])
    assert guarded(made, 2, 2).trust.tolist() == [1, 1, 0, 1]


def test_trust_is_the_ranking_where_there_is_no_score() -> None:
    made = selection([0.1, 0.4, 0.2, 1], [0, 0, 0, 1])
    assert guarded(made, 2, 1).trust.tolist() == pytest.approx([0.1, 1, 0.2, 1])


@pytest.mark.parametrize(
    ("trust", "score", "message", "widened"),
    [
        ([0.0, 0.0, 0.5], [1, 2, 3], "no sample", 3),
        ([1.0, NAN, 0.0], [1, 2, 3], "not finite", 2),
        ([1.0, 0.0, 0.0], [1, NAN, 3], "not finite", 2),
        ([1.0, 0.0, 0.0], [1, float("-inf"), 3], "not finite", 2),
    ],
)
def test_everything_is_trusted_where_a_selection_says_nothing(
    trust: list[float],
    score: list[float],
    message: str,
    widened: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = guarded(selection(trust, [0, 0, 1], score), 2, 1)
    assert found.trust.tolist() == [1, 1, 1]
    assert bool(found.ranking.isfinite().all())
    assert found.stats["widened"] == widened
    assert message in caplog.text


def test_dropped_samples_stay_dropped_and_do_not_count() -> None:
    made = selection([1, 1, 0, 0], [0, 1, 1, 1], [4, 9, 1, 2])
    roles = [Role.LABELLED, Role.DROPPED, Role.UNLABELLED, Role.UNLABELLED]
    found = guarded(replace(made, role=torch.tensor(roles, dtype=torch.int8)), 2, 1)
    assert found.trust.tolist() == [1, 1, 0, 1]  # the best that is in use
    assert found.role.tolist() == [Role.LABELLED, Role.DROPPED, Role.UNLABELLED, Role.LABELLED]


def test_a_selection_that_drops_or_distrusts_all() -> None:
    made = selection([1, 1], [0, 1])
    dropped = torch.full((2,), int(Role.DROPPED), dtype=torch.int8)
    found = guarded(replace(made, role=dropped), 2, 1)
    assert found.role.tolist() == [Role.LABELLED] * 2
    distrusted = selection([0, 0, 0], [0, 1, 1])
    role = torch.tensor([Role.DROPPED, Role.UNLABELLED, Role.UNLABELLED], dtype=torch.int8)
    found = guarded(replace(distrusted, role=role), 2, 1)
    assert found.role.tolist() == [Role.DROPPED, Role.LABELLED, Role.LABELLED]


def test_rows_of_a_posterior_that_are_not_finite_are_unknown() -> None:
    made = selection([1, 1], [0, 1])
    made = replace(made, posterior=torch.tensor([[0.25, 0.75], [NAN, 1.0]]))
    found = guarded(made, 2, 1).posterior
    assert found is not None
    assert found.tolist() == [[0.25, 0.75], [0, 0]]

"""How labels are doubted: exact numbers first."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.audit.suspicion import nearest_disagreeing, suspect
from supcon_ext.selectors.neighbours import NeighbourGraph, nearest_neighbours


def two_clusters() -> tuple[torch.Tensor, torch.Tensor]:
    """Two tight clusters of 5 points; point 4 lies in the first and is labelled as the second."""
    angle = torch.tensor([0.00, 0.01, 0.02, 0.03, 0.04, 1.50, 1.51, 1.52, 1.53, 1.54])
    z = torch.stack([angle.cos(), angle.sin()], dim=1)
    return z, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])


def test_shares_are_smoothed_by_the_rule_of_succession() -> None:
    z, label = two_clusters()
    verdict = suspect(nearest_neighbours(z, 4), label, 2)
    # class 0 has 4 samples, so its 2 nearest vote; class 1 has 6, so 3 do. Round 1 gives everyone
    # the class of the cluster, so round 2 is unanimous: 2 of 2, and 3 of 3.
    agreed, doubted = [1 - 3 / 4] * 4, [1 - 1 / 5]
    torch.testing.assert_close(
        verdict.suspicion, torch.tensor(agreed + doubted + [1 - 4 / 5] * 5, dtype=torch.float64)
    )
    assert verdict.flagged.tolist() == [False] * 4 + [True] + [False] * 5
    assert verdict.suggested.tolist() == [0] * 5 + [1] * 5
    torch.testing.assert_close(
        verdict.confidence, torch.tensor([3 / 4] * 4 + [4 / 5] * 6, dtype=torch.float64)
    )
    assert verdict.order()[0] == 4
    assert verdict.order().tolist()[1:5] == [0, 1, 2, 3]  # ties by index


def test_a_tie_of_votes_leaves_the_given_label() -> None:
    # 1 and 2 each hear only themselves here, so that their votes on 0 stay what they are
    graph = NeighbourGraph(torch.tensor([[1, 2], [1, 1], [2, 2]]), torch.ones(3, 2))
    label = torch.tensor([1, 0, 1])
    verdict = suspect(graph, label, 2, per_class=10)
    assert verdict.suggested[0] == 1 and not verdict.flagged[0]
    assert verdict.suspicion[0] == 0.5


def test_neighbours_that_disagree_nearest_first() -> None:
    graph = NeighbourGraph(
        torch.tensor([[1, 2, 3], [0, 2, 3], [3, 0, 1], [2, 1, 0]]), torch.ones(4, 3)
    )
    label = torch.tensor([0, 1, 0, 1])
    found = nearest_disagreeing(graph, label, count=2)
    assert found.tolist() == [[1, 3], [0, 2], [3, 1], [2, 0]]
    assert (
        nearest_disagreeing(graph, torch.zeros(4, dtype=torch.int64), 2).tolist() == [[-1, -1]] * 4
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(1, 60), st.integers(0, 2**31))
def test_whatever_the_labels_the_numbers_are_in_range(
    count: int, classes: int, neighbours: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(count, 3, generator=generator)
    label = torch.randint(classes, (count,), generator=generator)
    graph = nearest_neighbours(z, min(neighbours, count - 1))
    verdict = suspect(graph, label, classes)
    for share in (verdict.suspicion, verdict.confidence):
        assert bool(((share > 0) & (share < 1)).all())
    assert torch.equal(verdict.flagged, verdict.suggested != label)
    same = ~verdict.flagged
    torch.testing.assert_close(verdict.suspicion[same], 1 - verdict.confidence[same])
    near = verdict.disagreeing
    assert bool((label[near.clamp(min=0)] != label[:, None])[near >= 0].all())


def test_equal_embeddings_do_no_harm() -> None:
    verdict = suspect(nearest_neighbours(torch.ones(6, 2), 3), torch.tensor([0, 1] * 3), 2)
    assert bool(verdict.suspicion.isfinite().all())

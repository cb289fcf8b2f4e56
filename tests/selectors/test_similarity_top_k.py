"""Positives among the nearest neighbours, by hand and against the plain relation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.losses import PairTile, Rows
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.similarity_top_k import SimilarityTopK, listed, mutual_only

ANGLE = torch.tensor([0.0, 1, 3, 6, 90, 91]).deg2rad()
Z = torch.stack([ANGLE.cos(), ANGLE.sin()], 1)
LABEL = torch.tensor([0, 0, 1, 0, 0, 0])


def bank(z: torch.Tensor = Z, label: torch.Tensor = LABEL) -> SampleBank:
    return SampleBank(torch.arange(len(z)), label, 2, z=z)


def positives(made: SimilarityTopK, views: Rows) -> torch.Tensor:
    return made.targets(PairTile(views, views, views.z @ views.z.T))


def test_the_nearest_with_the_same_label() -> None:
    made = SimilarityTopK(2)
    views = Rows.of(Z, LABEL)
    assert torch.equal(positives(made, views), LABEL[:, None] == LABEL[None, :])
    assert made.refresh(bank(), 0) is None
    found = [row.nonzero()[:, 0].tolist() for row in positives(made, views)]
    # lists: 0: 1 2, 1: 0 2, 2: 1 0 or 3 (equally far), 3: 2 1, 4: 5 3, 5: 4 3
    assert found == [[0, 1], [0, 1], [2], [1, 3], [3, 4, 5], [3, 4, 5]]


def test_mutual_neighbours() -> None:
    made = SimilarityTopK(2, mutual=True)
    made.refresh(bank(), 0)
    found = positives(made, Rows.of(Z, LABEL))
    assert torch.equal(found, found.T)
    lists = [row.nonzero()[:, 0].tolist() for row in found]
    assert lists == [[0, 1], [0, 1], [2], [3], [4, 5], [4, 5]]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 12), st.data())
def test_lists_by_the_plain_relation(seed: int, count: int, data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(seed)
    k = data.draw(st.integers(1, count - 1))
    lists = torch.rand(count, count, generator=generator).fill_diagonal_(-1).topk(k).indices
    relation = torch.zeros(count, count, dtype=torch.bool).scatter(1, lists, True)
    rows = torch.randint(count, (7,), generator=generator)
    columns = torch.randint(-1, count, (9,), generator=generator)
    expected = relation[rows][:, columns.clamp(min=0)] & (columns >= 0)
    assert torch.equal(listed(lists[rows], columns), expected)
    both = mutual_only(lists)
    found = listed(both, torch.arange(count))
    assert torch.equal(found, relation & relation.T)


def test_mutual_lists_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = torch.rand(20, 20, generator=torch.Generator().manual_seed(0)).topk(5).indices
    whole = mutual_only(lists)
    monkeypatch.setattr("supcon_ext.selectors.similarity_top_k.CHUNK_ELEMENTS", 75)
    assert torch.equal(mutual_only(lists), whole)


def test_views_of_a_sample_and_rows_that_are_no_sample() -> None:
    made = SimilarityTopK(1)
    made.refresh(bank(), 0)
    views = Rows.of(Z[[0, 0, 3, 3]], torch.tensor([0, 0, 0, 0]), index=torch.tensor([0, 0, 3, -1]))
    found = positives(made, views)
    assert found[0].tolist() == [True, True, False, True]
    assert found[3].tolist() == [True, True, True, True]


def test_more_neighbours_than_samples_and_state() -> None:
    made = SimilarityTopK(500)
    made.refresh(bank(), 0)
    views = Rows.of(Z, LABEL)
    assert torch.equal(positives(made, views), LABEL[:, None] == LABEL[None, :])
    few = SimilarityTopK(2)
    few.refresh(bank(), 0)
    state = few.state_dict()
    assert state["lists"].shape == (6, 2)  # never N x N
    other = SimilarityTopK(2)
    other.load_state_dict(state)
    assert torch.equal(positives(other, views), positives(few, views))

"""Rows joined keep every column; factors count only beside the targets that they tell."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.losses.factors import factors_of
from supcon_ext.losses.rows import MissingColumn, PairTile, Rows
from supcon_ext.losses.supcon import SupConLoss
from supcon_ext.selectors.base import SampleSelector, Selection
from supcon_ext.selectors.label import Label

COLUMNS = {
    "caption": torch.tensor([4, 5]),
    "quality": torch.tensor([0.5, 1.0]),
    "kept": torch.tensor([True, False]),
    "posterior": torch.tensor([[0.1, 0.9], [0.4, 0.6]]),
}


def rows(*names: str) -> Rows:
    return Rows.of(torch.eye(2), columns={name: COLUMNS[name] for name in names})


def test_a_row_without_a_column_does_not_know_it() -> None:
    joined = Rows.cat([rows("caption", "kept"), rows("quality", "posterior")])
    assert joined.columns["caption"].tolist() == [4, 5, -1, -1]
    assert joined.columns["kept"].tolist() == [True, False, False, False]
    assert joined.columns["quality"][:2].isnan().all()
    assert joined.columns["quality"][2:].tolist() == [0.5, 1.0]
    assert joined.columns["posterior"].shape == (4, 2)
    assert joined.columns["posterior"][:2].isnan().all()
    tile = PairTile(joined, joined, torch.zeros(4, 4))
    assert not tile.same("caption")[2:].any(), "what is not known equals nothing"
    assert not tile.same("quality")[:2].any()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sets(st.sampled_from(sorted(COLUMNS))), min_size=1, max_size=4))
def test_joining_never_drops_a_column(parts: list[set[str]]) -> None:
    joined = Rows.cat([rows(*names) for names in parts])
    assert joined.columns.keys() == set().union(*parts)
    for place, names in enumerate(parts):
        for name in names:
            mine = joined.columns[name][2 * place : 2 * place + 2]
            assert torch.equal(mine, COLUMNS[name])


def test_a_missing_column_says_which_there_are() -> None:
    with pytest.raises(MissingColumn, match=r"`colour`\. There are: label, index, .*, caption"):
        rows("caption").column("colour")


class Nobody(Label):
    """Overrides the targets alone."""

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("label") & pairs.same("index")


class Further(Nobody):
    """Overrides nothing of it."""


class NoTwo(SampleSelector):
    def select(self, bank, epoch):
        return Selection.of(bank.label, torch.ones(len(bank)))

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return pairs.same("index")


@pytest.mark.parametrize("rule", [Nobody(), Further(), NoTwo()])
def test_inherited_factors_do_not_count_beside_other_targets(rule) -> None:
    """With them the loss would take the targets of the class above, silently."""
    generator = torch.Generator().manual_seed(0)
    views = Rows.of(
        torch.randn(8, 4, generator=generator),
        torch.tensor([0, 0, 1, 1] * 2),
        index=torch.arange(4).repeat(2),
    )
    assert factors_of(rule, views) is None
    assert factors_of(Label(), views) is not None
    found = SupConLoss(selector=rule).details(views)
    assert found.positives.tolist() == [1.0] * 8

"""The second selector sees what the first keeps, and nothing else."""

from __future__ import annotations

import logging

import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows
from supcon_ext.losses.factors import targets_of
from supcon_ext.selectors.base import PositiveSelector, Role, SampleBank, Selection, selector
from supcon_ext.selectors.confident_pairs import ConfidentPairs
from supcon_ext.selectors.guards import guarded
from supcon_ext.selectors.then import Then
from tests.selectors.fixed import Fixed

LABEL = torch.tensor([0, 0, 1, 1, 0])


def bank() -> SampleBank:
    logits = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    loss = functional.cross_entropy(logits, LABEL, reduction="none")
    z = functional.normalize(logits, dim=1)
    return SampleBank(torch.arange(5), LABEL, 2, logits=logits, loss=loss, z=z)


def refreshed(made: Then) -> Selection:
    found = made.refresh(bank(), 0)
    assert found is not None
    return found


def test_the_second_sees_the_kept_alone() -> None:
    first = Fixed([1, 0.2, 0.8, 0, 0.9], score=[5, 1, 4, 0, 4], role=[0, 1, 0, 2, 0])
    second = Fixed([1, 1, 0.3], score=[0, 2, 1], role=[0, 0, 1])
    found = refreshed(Then(first, second))
    seen = second.seen[0]
    assert seen.index.tolist() == [0, 1, 2]
    assert torch.equal(seen.need("z"), bank().need("z")[[0, 2, 4]])
    assert found.trust.tolist() == pytest.approx([1, 0.2, 0.8, 0, 0.3])
    assert found.role.tolist() == [0, 1, 0, 2, 1]
    # kept samples come first, in the second's order; then the others, in the first's
    assert found.ranking.argsort(descending=True).tolist() == [2, 4, 0, 1, 3]
    assert found.stats == pytest.approx({"first/sum": 2.9, "second/sum": 2.3})


def test_a_corrected_label_is_what_the_second_sees() -> None:
    first = Fixed([1, 0, 1, 0, 1], label=[1, 0, 1, 1, 0])
    second = Fixed([1, 1, 1], requires=["loss"])
    made = Then(first, second)
    found = refreshed(made)
    assert made.requires == {"loss", "logits"}
    assert second.seen[0].label.tolist() == [1, 1, 0]
    logits = bank().need("logits")[[0, 2, 4]]
    expected = functional.cross_entropy(logits, torch.tensor([1, 1, 0]), reduction="none")
    torch.testing.assert_close(second.seen[0].need("loss"), expected)
    assert found.label.tolist() == [1, 0, 1, 1, 0]


def test_posteriors_of_both() -> None:
    alone = refreshed(Then(Fixed([1, 0, 1, 0, 0]), Fixed([1, 1], posterior=[[1.0, 0], [0, 1]])))
    assert alone.posterior is not None
    assert alone.posterior.tolist() == [[1, 0], [0, 0], [0, 1], [0, 0], [0, 0]]
    first = Fixed([1, 0, 1, 0, 0], posterior=[[0.5, 0.5]] * 5)
    both = refreshed(Then(first, Fixed([1, 1], posterior=[[1.0, 0], [0, 1]])))
    assert both.posterior is not None
    assert both.posterior[:2].tolist() == [[1, 0], [0.5, 0.5]]


def pairs(made: PositiveSelector, views: Rows) -> torch.Tensor:
    return made.targets(PairTile(views, views, views.z @ views.z.T))


def test_pairs_are_those_of_the_second_run_on_the_kept_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    z = functional.normalize(torch.randn(40, 4, generator=generator), dim=1)
    label, keep = torch.arange(40) % 3, torch.arange(40) % 4 != 1
    whole = SampleBank(torch.arange(40), label, 3, z=z)
    made = Then(Fixed(keep.float().tolist()), ConfidentPairs(5))
    found = made.refresh(whole, 0)
    assert found is not None
    alone = ConfidentPairs(5)
    kept = alone.refresh(whole.take(keep.nonzero()[:, 0]), 0)
    views = Rows.of(
        z.repeat(2, 1), found.label.repeat(2), index=torch.arange(40).repeat(2),
        trust=found.trust.repeat(2),
    )  # fmt: skip
    target = pairs(made, views)
    inside = keep.repeat(2)
    few = Rows.of(
        z[keep].repeat(2, 1), kept.label.repeat(2), index=torch.arange(int(keep.sum())).repeat(2),
        trust=kept.trust.repeat(2),
    )  # fmt: skip
    assert torch.equal(target[inside][:, inside], pairs(alone, few))
    own = views.index[:, None] == views.index[None, :]
    assert torch.equal(target[~inside], own[~inside])
    assert torch.equal(target[:, ~inside], own[:, ~inside])
    restored = Then(Fixed(keep.float().tolist()), ConfidentPairs(5))
    restored.load_state_dict(made.state_dict())
    assert torch.equal(pairs(restored, views), target)


def test_a_second_that_says_nothing_says_which_pairs() -> None:
    made = Then(Fixed([1, 0, 1, 1, 1]), "label")
    found = refreshed(made)
    assert found.trust.tolist() == [1, 0, 1, 1, 1]
    target = pairs(made, Rows.of(torch.eye(5), found.label, trust=found.trust))
    assert target[0].tolist() == [True, False, False, False, True]
    assert target[1].tolist() == [False, True, False, False, False]
    assert made.factors(Rows.of(torch.eye(5))) is None


def test_factors_where_the_second_follows_label_and_trust() -> None:
    made = Then(Fixed([1, 0, 1, 1, 1]), Fixed([1, 0, 1, 1]))
    found = refreshed(made)
    views = Rows.of(
        torch.eye(5).repeat(2, 1), found.label.repeat(2), index=torch.arange(5).repeat(2),
        trust=found.trust.repeat(2),
    )  # fmt: skip
    factors = made.factors(views)
    assert factors is not None
    told = targets_of(factors, factors, views.z @ views.z.T)
    assert torch.equal(told, pairs(made, views).float())


def test_whom_a_guard_trusts_is_a_positive_of_its_class() -> None:
    made = Then(Fixed([1, 0.1, 0, 0.2, 1], score=[9, 5, 1, 2, 8]), ConfidentPairs(1))
    found = guarded(refreshed(made), 2, 2)
    assert found.trust.tolist() == [1, pytest.approx(0.1), 1, 1, 1]
    target = pairs(made, Rows.of(bank().need("z"), found.label, trust=found.trust))
    assert target[2].tolist() == [False, False, True, True, False]


def test_a_first_that_keeps_next_to_nothing(caplog: pytest.LogCaptureFixture) -> None:
    second = Fixed([1])
    with caplog.at_level(logging.WARNING):
        found = refreshed(Then(Fixed([0, 1, 0, 0, 0]), second))
    assert "keeps 1 samples" in caplog.text
    assert found.trust.tolist() == [0, 1, 0, 0, 0]
    assert second.seen == []


def test_a_first_that_says_nothing() -> None:
    found = refreshed(Then("label", Fixed([1, 0, 1, 0, 1])))
    assert found.trust.tolist() == [1, 0, 1, 0, 1]
    assert Then("label", "instance").refresh(bank(), 0) is None


def test_a_recipe_chains_three() -> None:
    value = {
        "kind": "then",
        "first": {"kind": "random_k", "fraction": 0.8},
        "second": {"kind": "then", "first": "knn_agreement", "second": "similarity_top_k"},
    }
    made = selector.spec(value).build()
    assert made.requires == {"z"}
    generator = torch.Generator().manual_seed(1)
    z = functional.normalize(torch.randn(60, 4, generator=generator), dim=1)
    found = made.refresh(SampleBank(torch.arange(60), torch.arange(60) % 3, 3, z=z), 0)
    assert 0 < int((found.trust > 0.5).sum()) <= 48
    assert int((found.role == Role.LABELLED).sum()) == 60

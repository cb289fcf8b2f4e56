"""The smallest and the largest of what several selectors say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from supcon_ext.losses import PairTile, Rows
from supcon_ext.losses.factors import targets_of
from supcon_ext.selectors.all_of import AllOf
from supcon_ext.selectors.any_of import AnyOf
from supcon_ext.selectors.base import Role, SampleBank, selector
from supcon_ext.selectors.combination import Combination, standing
from supcon_ext.selectors.confident_pairs import ConfidentPairs
from supcon_ext.selectors.label import Label
from tests.selectors.fixed import Fixed

LABEL = torch.tensor([0, 0, 1, 1])
BANK = SampleBank(torch.arange(4), LABEL, 2)
DROP, UN, LAB = int(Role.DROPPED), int(Role.UNLABELLED), int(Role.LABELLED)


def members() -> list[Any]:
    return [
        Fixed([1, 0.6, 0, 0.2], score=[9, 7, 1, 5], role=[LAB, LAB, UN, DROP], requires=["z"]),
        Fixed(
            [0.8, 0, 1, 0.3],
            label=[0, 1, 1, 1],
            score=[0.1, 0.2, 0.4, 0.2],
            role=[LAB, UN, UN, LAB],
            posterior=[[1.0, 0]] * 4,
            requires=["loss"],
        ),
    ]


def test_the_least_trusting_and_the_most_trusting() -> None:
    least, most = AllOf(members()).refresh(BANK, 0), AnyOf(members()).refresh(BANK, 0)
    assert least is not None and most is not None
    assert least.trust.tolist() == pytest.approx([0.8, 0, 0, 0.2])
    assert most.trust.tolist() == pytest.approx([1, 0.6, 1, 0.3])
    assert least.role.tolist() == [LAB, UN, UN, DROP]
    assert most.role.tolist() == [LAB, LAB, UN, LAB]
    assert least.ranking.tolist() == [0.25, 0.75, 0.25, 0.5]
    assert most.ranking.tolist() == [1, 0.75, 1, 0.75]
    for found in (least, most):
        assert found.label.tolist() == [0, 1, 1, 1]
        assert found.posterior is not None
        assert found.stats == pytest.approx({"0/sum": 1.8, "1/sum": 2.1})


def test_the_first_that_relabels_has_its_way() -> None:
    three = [Fixed([1] * 4, label=label) for label in ([0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1])]
    found = AllOf(list(three)).refresh(BANK, 0)
    assert found is not None
    assert found.label.tolist() == [1, 0, 1, 1]


def test_unions_of_needs_and_gifts() -> None:
    made = AllOf(members())
    assert made.requires == {"z", "loss"}
    assert made.provides == {"posterior"}
    assert AnyOf(["label"]).requires == frozenset()
    assert AllOf().requires == {"z"}


def test_silent_members_trust_all() -> None:
    found = AllOf(["label", Fixed([1, 0, 1, 0.7])]).refresh(BANK, 0)
    assert found is not None
    assert found.trust.tolist() == pytest.approx([1, 0, 1, 0.7])
    assert AnyOf(["label", "instance"]).refresh(BANK, 0) is None


@pytest.mark.parametrize(("kind", "reduce"), [(AllOf, torch.minimum), (AnyOf, torch.maximum)])
def test_targets_with_the_joint_trust(kind: type[Combination], reduce: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator), dim=1)
    label = torch.arange(30) % 3
    parts = [ConfidentPairs(5), ConfidentPairs(9, pair_fraction=0.9), "instance"]
    made = kind(parts)  # type: ignore[call-arg]
    found = made.refresh(SampleBank(torch.arange(30), label, 3, z=z), 0)
    assert found is not None
    views = Rows.of(z, found.label, trust=found.trust)
    tile = PairTile(views, views, z @ z.T)
    each = [member.targets(tile) for member in made.members]
    target = made.targets(tile)
    assert torch.equal(target, reduce(reduce(each[0], each[1]), each[2]))
    assert target.dtype == torch.bool
    assert made.factors(views) is None


@pytest.mark.parametrize("kind", [AllOf, AnyOf])
def test_factors_where_all_follow_label_and_trust(kind: type[Combination]) -> None:
    made = kind([Fixed([1, 0, 1, 1]), Fixed([1, 1, 1, 0])])  # type: ignore[call-arg]
    found = made.refresh(BANK, 0)
    assert found is not None
    views = Rows.of(torch.eye(4), found.label, trust=found.trust)
    similarity = torch.eye(4)
    factors = made.factors(views)
    assert factors is not None
    told = targets_of(factors, factors, similarity)
    assert torch.equal(told, made.targets(PairTile(views, views, similarity)).float())
    assert kind(["label", Fixed([1])]).factors(views) is None  # type: ignore[call-arg]


def test_floats_and_bools_together() -> None:
    labels = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 1]])
    views = Rows.of(torch.eye(4), LABEL, columns={"labels": labels})
    tile = PairTile(views, views, torch.eye(4))
    assert float(AllOf(["label", "jaccard"]).targets(tile)[0, 1]) == 0.5
    assert float(AnyOf(["label", "jaccard"]).targets(tile)[0, 2]) == 0.5


def test_state_nests() -> None:
    made = AllOf([Fixed([1] * 4), AnyOf([Fixed([1] * 4), "label"])])
    made.refresh(BANK, 6)
    state = made.state_dict()
    assert state == {"members": [{"memory": 7}, {"members": [{"memory": 7}, {}]}]}
    other = AllOf([Fixed([1] * 4), AnyOf([Fixed([1] * 4), "label"])])
    other.load_state_dict(state)
    assert other.state_dict() == state


def test_a_recipe_names_members() -> None:
    value = {
        "kind": "all_of",
        "members": [
            "label",
            {"kind": "any_of", "members": [{"kind": "random_k", "fraction": 0.2}]},
        ],
    }
    spec = selector.spec(value)
    made = spec.build()
    assert isinstance(made.members[0], Label)
    assert made.members[1].members[0].fraction == 0.2
    again = selector.spec(spec.as_dict()).build()
    assert again.members[1].members[0].fraction == 0.2
    default = selector.spec("any_of").build()
    assert [type(m) for m in default.members] == [Label, ConfidentPairs]


def test_recipes_that_name_none_or_nonsense() -> None:
    with pytest.raises(ValueError, match="at least one selector"):
        AllOf([])
    with pytest.raises(ValidationError):
        selector.spec({"kind": "all_of", "members": []})
    with pytest.raises(ValidationError, match="nobody"):
        selector.spec({"kind": "any_of", "members": ["nobody"]})
    with pytest.raises(ValidationError, match="fraction"):
        selector.spec({"kind": "any_of", "members": [{"kind": "random_k", "fraction": 2}]})


def test_standing_is_by_order_alone() -> None:
    score = torch.tensor([3.0, -1, 3, 10])
    assert standing(score).tolist() == [0.75, 0.25, 0.75, 1]
    assert standing(score**3).tolist() == [0.75, 0.25, 0.75, 1]

"""What selectors that are made of others have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.losses.factors import Factors, factors_of
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import (
    PositiveSelector,
    SampleBank,
    SampleSelector,
    Selection,
    selector,
)

MEMBERS: list[PositiveSelector | str] = ["label", "confident_pairs"]


def standing(score: Tensor) -> Tensor:
    """Share of samples whose score is not larger: what makes scores of two selectors comparable.

    Args:
        score: ``(N,)`` float; equal scores have equal shares, whatever the order.

    Returns:
        ``(N,)`` float32 in (0, 1].
    """
    ordered = score.sort().values
    return torch.searchsorted(ordered, score, right=True).float() / max(1, len(score))


def follows_trust(member: PositiveSelector) -> bool:
    """Whether a selector's targets are those of every :class:`SampleSelector`: label and trust."""
    return (
        isinstance(member, SampleSelector)
        and type(member).targets is SampleSelector.targets
        and type(member).factors is SampleSelector.factors
    )


class Combination(PositiveSelector):
    """Several selectors over the same samples, joined by :meth:`join`.

    Each member looks at the whole bank. Trust, score and targets are joined element by element;
    scores as shares of samples that score no better, since members measure differently. A member
    that says nothing trusts all. The targets of members are asked with the joint trust. The label
    is that of the first member which relabels any sample, the posterior of the first which has one.

    Args:
        members: At least one, or the names of some.
    """

    def __init__(
        self,
        members: Annotated[
            list[Annotated[PositiveSelector | str, Part("selector")]], Field(min_length=1)
        ] = MEMBERS,
    ) -> None:
        if not members:
            raise ValueError(
                "Expected at least one selector of argument `members`, but got none. "
                "Try: [label, confident_pairs]"
            )
        self.members = [selector.make(member) for member in members]
        self.requires = frozenset[str]().union(*(m.requires for m in self.members))
        self.provides = frozenset[str]().union(*(m.provides for m in self.members))

    @abstractmethod
    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Two members' trust, score, or targets made one; commutative and associative."""

    @abstractmethod
    def join_roles(self, first: Tensor, second: Tensor) -> Tensor:
        """Two members' roles made one; the larger, the less a sample is used."""

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Ask each member; None where none says anything."""
        made = [ask(member, bank, epoch) for member in self.members]
        if all(selection is None for selection in made):
            return None
        silent = Selection.of(bank.label, torch.ones(len(bank)))
        every = [silent if selection is None else selection for selection in made]
        label = next((s.label for s in every if not torch.equal(s.label, bank.label)), bank.label)
        return Selection(
            trust=reduce(self.join, [s.trust for s in every]),
            label=label.long(),
            role=reduce(self.join_roles, [s.role for s in every]),
            stats={f"{i}/{key}": v for i, s in enumerate(every) for key, v in s.stats.items()},
            score=reduce(self.join, [standing(s.ranking) for s in every]),
            posterior=next((s.posterior for s in every if s.posterior is not None), None),
        )

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)``, bool where every member's are."""
        found = [member.targets(pairs) for member in self.members]
        if any(part.dtype != torch.bool for part in found):
            found = [part.to(pairs.similarity_AK.dtype) for part in found]
        return reduce(self.join, found)

    def factors(self, views: Rows) -> Factors | None:
        """Where every member follows from label and trust alone, all say the same."""
        plain = all(follows_trust(member) for member in self.members)
        return factors_of(self.members[0], views) if plain else None

    def state_dict(self) -> dict[str, Any]:
        """The members' states."""
        return {"members": [member.state_dict() for member in self.members]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give each member its state back."""
        for member, part in zip(self.members, state["members"], strict=True):
            member.load_state_dict(part)

"""A selector that says what it is told, for tests of what is made of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from supcon_ext.selectors.base import Role, SampleBank, SampleSelector, Selection


class Fixed(SampleSelector):
    """Gives the selection that it was made with, and remembers the banks that it saw."""

    def __init__(
        self,
        trust: Sequence[float],
        *,
        label: Sequence[int] | None = None,
        score: Sequence[float] | None = None,
        role: Sequence[int] | None = None,
        posterior: Sequence[Sequence[float]] | None = None,
        requires: Sequence[str] = (),
    ) -> None:
        self.trust = torch.tensor(trust, dtype=torch.float32)
        self.label = None if label is None else torch.tensor(label)
        self.score = None if score is None else torch.tensor(score, dtype=torch.float32)
        self.role = torch.tensor([Role.LABELLED] * len(trust) if role is None else role)
        self.posterior = None if posterior is None else torch.tensor(posterior)
        self.requires = frozenset(requires)
        self.provides = frozenset() if posterior is None else frozenset({"posterior"})
        self.seen: list[SampleBank] = []
        self.memory = 0

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        self.seen.append(bank)
        self.memory = epoch + 1
        return Selection(
            self.trust,
            bank.label if self.label is None else self.label,
            self.role.to(torch.int8),
            {"sum": float(self.trust.sum())},
            self.score,
            self.posterior,
        )

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.memory = state["memory"]

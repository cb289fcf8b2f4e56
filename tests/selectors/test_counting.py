"""Selectors that count over refreshes go on, from their state, to the same selection."""

from __future__ import annotations

import copy

import pytest
import torch

from supcon_ext.selectors.disagreement import Disagreement
from supcon_ext.selectors.forgetting import Forgetting
from tests.selectors import test_disagreement, test_forgetting

RULES = [(Disagreement, test_disagreement.bank), (Forgetting, test_forgetting.bank)]


@pytest.mark.parametrize("done", [0, 1, 3])
@pytest.mark.parametrize(("kind", "bank"), RULES)
def test_it_resumes_to_the_same_selection(kind, bank, done: int) -> None:
    every = torch.rand(done + 3, 20, generator=torch.Generator().manual_seed(0)) < 0.7
    rule, resumed = kind(), kind()
    for right in every[:done]:
        rule.select(bank(right), 0)
    resumed.load_state_dict(copy.deepcopy(rule.state_dict()))
    for right in every[done:]:
        first, second = rule.select(bank(right), 0), resumed.select(bank(right), 0)
        assert torch.equal(first.trust, second.trust)
        assert torch.equal(first.ranking, second.ranking)
        assert first.stats == second.stats

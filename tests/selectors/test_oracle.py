"""The oracle is right about everything; without true labels it is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from supcon_ext.experiment.preparation import oracle_truth
from supcon_ext.losses import PairTile, Rows
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.oracle import Oracle

LABEL = torch.tensor([0, 0, 1, 1, 2, 2])
TRUTH = torch.tensor([0, 1, 1, 1, -1, 2])
RIGHT = [True, False, True, True, False, True]


def test_examples_and_pairs_are_all_right() -> None:
    bank = SampleBank(torch.arange(6), LABEL, 3, truth=TRUTH)
    found = Oracle().refresh(bank, 0)
    assert (found.trust > 0.5).tolist() == RIGHT  # precision and recall 1
    assert torch.equal(found.label, LABEL)
    views = Rows.of(torch.eye(6), found.label, trust=found.trust)
    target = Oracle().targets(PairTile(views, views, views.z @ views.z.T)).bool()
    target &= ~torch.eye(6, dtype=torch.bool)
    assert target.nonzero().tolist() == [[2, 3], [3, 2]]
    assert bool((TRUTH[target.nonzero()[:, 0]] == TRUTH[target.nonzero()[:, 1]]).all())


def test_the_posterior_is_the_truth_and_empty_for_open_set_images() -> None:
    found = Oracle().refresh(SampleBank(torch.arange(6), LABEL, 3, truth=TRUTH), 0)
    assert found.posterior is not None
    assert found.posterior.argmax(1)[TRUTH >= 0].tolist() == TRUTH[TRUTH >= 0].tolist()
    assert found.posterior.sum(1).tolist() == [1, 1, 1, 1, 0, 1]


def test_an_unknown_label_is_never_right() -> None:
    bank = SampleBank(torch.arange(2), torch.tensor([-1, 0]), 2, truth=torch.tensor([-1, 0]))
    assert Oracle().refresh(bank, 0).trust.tolist() == [0, 1]


def test_no_truth_no_oracle() -> None:
    stages = [SimpleNamespace(objective=SimpleNamespace(requires=Oracle().requires))]
    with pytest.raises(ValueError, match="true labels"):
        oracle_truth(stages, SimpleNamespace(truth=None))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="truth"):
        Oracle().refresh(SampleBank(torch.arange(6), LABEL, 3), 0)

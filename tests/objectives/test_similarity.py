"""The similarity loss by hand, and bootstrapping and the trusted prior of cross-entropy."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from supcon_ext.models.network import Outputs
from supcon_ext.objectives import Objective
from supcon_ext.objectives.base import Beliefs
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.objectives.cross_entropy import CrossEntropy
from supcon_ext.objectives.similarity import Similarity
from supcon_ext.selectors.base import SampleBank
from tests.objectives.steps import ViewsOf
from tests.objectives.test_terms import FACTS, batch


def two(p: list[list[float]], label: list[int], trust: list[float]) -> ViewsOf:
    """One view of each of some samples whose predictions are given."""
    logits = torch.tensor(p).log()
    samples = Beliefs(
        torch.tensor(label), torch.tensor(trust), torch.zeros(len(p), dtype=torch.int8)
    )

    def network(images: torch.Tensor) -> Outputs:
        rows = images.flatten().long()
        return Outputs(logits[rows], functional.normalize(logits[rows], dim=1), logits[rows])

    index = torch.arange(len(p))
    images = index.float()[None, :, None, None, None]
    return ViewsOf(images, ("views",), index, samples, network)


def test_by_hand() -> None:
    term = Similarity(selector="label")
    term.setup(FACTS)
    made = two([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]], [0, 0, 1], [1.0, 1.0, 1.0])
    alike = {(0, 1): 0.5, (0, 2): 0.26, (1, 2): 0.5}
    pairs = [-math.log(alike[0, 1]), -math.log(1 - alike[0, 2]), -math.log(1 - alike[1, 2])]
    result = term(made)
    assert result.loss.item() == pytest.approx(sum(pairs) / 3, rel=1e-5)
    assert result.stats["positives"].item() == pytest.approx(0.5)
    assert result.stats["others"].item() == pytest.approx(0.38)


def test_it_takes_the_pairs_of_the_stages_selector() -> None:
    objective = Objective({"contrastive": Contrastive("instance"), "similarity": Similarity()})
    objective.setup(FACTS)
    made = two([[0.8, 0.2], [0.5, 0.5]], [0, 0], [1.0, 1.0])
    part = objective.terms["similarity"]
    assert part(made).loss.item() == pytest.approx(-math.log(0.5))  # equal labels: no positives


def test_without_a_rule_it_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="Try: selector: label"):
        Similarity().setup(FACTS)


@pytest.mark.parametrize("seed", range(5))
def test_mixed_targets_stay_within_one(seed: int) -> None:
    term = Similarity(selector="label", mixup=1.0)
    term.setup(FACTS)
    assert term(batch(seed=seed)).loss.isfinite()


def test_bootstrapping_by_hand() -> None:
    term = CrossEntropy(bootstrap=0.2, bootstrap_after=3)
    term.setup(replace(FACTS, classes=2, counts=torch.tensor([1, 1]), samples=2))
    assert term.requires == {"logits"}
    made = two([[0.8, 0.2], [0.3, 0.7]], [0, 0], [1.0, 1.0])
    plain = -(math.log(0.8) + math.log(0.3)) / 2
    bank = SampleBank(torch.arange(2), made.label, 2, logits=torch.tensor([[2.0, 1.0], [0.0, 1.0]]))
    term.refresh(bank, 2)
    assert term(made).loss.item() == pytest.approx(plain, rel=1e-5)
    term.refresh(bank, 3)
    second = 0.8 * -math.log(0.3) + 0.2 * -math.log(0.7)
    assert term(made).loss.item() == pytest.approx((-math.log(0.8) + second) / 2, rel=1e-5)


def test_the_prior_of_trusted_samples() -> None:
    term = CrossEntropy(logit_adjustment=1.0, prior="trusted")
    term.setup(replace(FACTS, classes=2, counts=torch.tensor([5, 5]), samples=4))
    made = two([[0.5, 0.5]] * 4, [0, 0, 0, 1], [1.0, 1.0, 0.0, 0.0])
    # two trusted samples of class 0; class 1 has none and counts as one
    expected = -(3 * math.log(2 / 3) + math.log(1 / 3)) / 4
    assert term(made).loss.item() == pytest.approx(expected, rel=1e-5)

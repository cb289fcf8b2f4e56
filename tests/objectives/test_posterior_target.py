"""Cross-entropy against the selector's posterior: by hand, mixed, and where there is none."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from supcon_ext.objectives import Objective
from supcon_ext.objectives.base import term as terms
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.objectives.cross_entropy import CrossEntropy
from supcon_ext.selectors import selector
from tests.objectives.test_terms import FACTS, batch

POSTERIOR = torch.tensor(
    [[0.5, 0.5, 0], [0, 1, 0], [0.2, 0.3, 0.5], [1, 0, 0], [0.1, 0.8, 0.1], [0, 0, 0]]
)


def told(term: CrossEntropy, name: str = "rolt") -> CrossEntropy:
    """The term in an objective whose selector gives a posterior."""
    contrastive = Contrastive(name)
    Objective({"contrastive": contrastive, "cross_entropy": term}).setup(FACTS)
    return term


def test_by_hand() -> None:
    term = told(terms.make("cross_entropy", target="posterior", views="classify"))
    made = batch()
    made.beliefs.posterior = POSTERIOR
    logits = made.images[0].flatten(1)[:, :3]
    known = [0, 1, 2, 4]
    target = POSTERIOR[made.index[known]]
    expected = -(target * logits[known].log_softmax(1)).sum(1).mean()
    assert term(made).loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_mixed_targets() -> None:
    term = told(terms.make("cross_entropy", target="posterior", views="classify", mixup=1.0))
    made = batch()
    made.beliefs.posterior = POSTERIOR
    loss = term(made).loss
    mix, outputs = made.mixed(1.0, 0.0)
    log, share = outputs.logits[:5].log_softmax(1), float(mix.share[0])
    total = 0.0
    for i in [0, 1, 2, 4]:
        j = int(mix.partner[i])
        own, other = (-float((POSTERIOR[made.index[k]] * log[i]).sum()) for k in (i, j))
        total += own if made.label[j] < 0 else share * own + (1 - share) * other
    assert loss.item() == pytest.approx(total / 4, rel=1e-5)


def test_a_posterior_that_is_sure_is_the_label() -> None:
    plain = CrossEntropy(label_smoothing=0.1, logit_adjustment=1.0)
    plain.setup(FACTS)
    term = told(CrossEntropy(target="posterior", label_smoothing=0.1, logit_adjustment=1.0))
    made = batch()
    expected = plain(made).loss.item()
    assert term(made).loss.item() == pytest.approx(expected)  # until there is a posterior
    label = made.beliefs.label.clamp(min=0)
    made.beliefs.posterior = functional.one_hot(label, 3).float()
    assert term(made).loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", selector.names())
def test_only_beside_a_selector_that_gives_one(name: str) -> None:
    parameters = selector.get(name).parameters.model_fields.values()
    if any(field.is_required() for field in parameters):
        return
    term = CrossEntropy(target="posterior")
    if "posterior" in selector.spec(name).build().provides:
        told(term, name)
    else:
        with pytest.raises(ValueError, match="gives a posterior beside `target: posterior`"):
            told(term, name)


def test_alone_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="but got none"):
        CrossEntropy(target="posterior").setup(FACTS)

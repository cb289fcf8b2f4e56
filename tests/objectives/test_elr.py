"""Early-learning regularisation: by hand, as the authors' program, over views and repeats."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from supcon_ext.objectives.base import TrainingFacts
from supcon_ext.objectives.elr import CLIP, ElrRegulariser
from supcon_ext.recipe import RecipeError, parse_recipe
from tests.objectives.seeded import normal, step

SIZE, CLASSES = 6, 3
LABEL = torch.arange(SIZE) % CLASSES
FACTS = TrainingFacts(SIZE, CLASSES, torch.tensor([2, 2, 2]), dim=8)
Z = functional.normalize(normal(2, SIZE, 8, seed=9), dim=-1)


def made(beta: float = 0.7) -> ElrRegulariser:
    term = ElrRegulariser(beta)
    term.setup(FACTS)
    return term


def test_by_hand() -> None:
    """Two steps of one sample in two classes, p = (.8, .2) and then (.5, .5)."""
    term = ElrRegulariser(0.6)
    term.setup(TrainingFacts(1, 2, torch.tensor([1, 0]), dim=8))
    label = torch.zeros(1, dtype=torch.int64)
    first = term(step(Z[:1, :1], label, torch.tensor([[[math.log(4.0), 0.0]]])))
    assert term.target.tolist() == [pytest.approx([0.32, 0.08])]
    assert first.loss.item() == pytest.approx(math.log(1 - 0.32 * 0.8 - 0.08 * 0.2))
    second = term(step(Z[:1, :1], label, torch.zeros(1, 1, 2)))
    assert term.target.tolist() == [pytest.approx([0.392, 0.248])]
    assert second.loss.item() == pytest.approx(math.log(1 - (0.392 + 0.248) / 2))
    assert second.stats["agreement"].item() == pytest.approx(0.32)


def test_its_gradient_by_hand() -> None:
    """d/dp_c log(1 - <p, t>) = -t_c / (1 - <p, t>): towards what was predicted before."""
    term = made()
    logits = normal(1, SIZE, CLASSES, seed=4).requires_grad_()
    loss = term(step(Z[:1], LABEL, logits)).loss
    (found,) = torch.autograd.grad(loss, logits)
    p = logits.detach()[0].softmax(1)
    slope = -term.target / (1 - (p * term.target).sum(1, keepdim=True)) / SIZE
    expected = p * (slope - (p * slope).sum(1, keepdim=True))
    assert torch.allclose(found[0], expected, atol=1e-6)


def test_the_authors_program() -> None:
    """shengliu66/ELR 934af53, ELR/model/loss.py: (elr_loss - cross-entropy) / lambda, beta .7."""
    term = made()
    found = [
        float(term(step(Z[:1], LABEL, scale * normal(1, SIZE, CLASSES, seed=seed))).loss)
        for seed, scale in ((51, 1), (52, 1), (53, 8))
    ]
    expected = [-0.1724546, -0.2298995, -0.5281313]
    assert found == pytest.approx(expected, abs=1e-6)


def test_probabilities_are_clipped_as_in_the_authors_code() -> None:
    term = made(0.0)
    sure = torch.full((1, SIZE, CLASSES), -40.0)
    sure[0, :, 0] = 40
    loss = term(step(Z[:1], LABEL, sure)).loss.item()
    total = 1 - CLIP + 2 * CLIP
    told = ((1 - CLIP) ** 2 + 2 * CLIP**2) / total
    assert loss == pytest.approx(math.log(1 - told), rel=1e-3)  # and not log 0


def test_of_several_views_the_mean_is_remembered() -> None:
    logits = normal(2, SIZE, CLASSES, seed=5)
    term = made()
    loss = term(step(Z, LABEL, logits)).loss.item()
    p = logits.softmax(2)
    assert torch.allclose(term.target, 0.3 * p.mean(0), atol=1e-6)
    expected = (1 - (p * term.target).sum(2)).log().mean().item()
    assert loss == pytest.approx(expected, abs=1e-6)


def test_other_samples_keep_what_they_have() -> None:
    term = made()
    term(step(Z[:1], LABEL, normal(1, SIZE, CLASSES, seed=1)))
    before = term.target.clone()
    term(step(Z[:1, :2], LABEL[:2], normal(1, 2, CLASSES, seed=2), further=LABEL[2:]))
    assert torch.equal(term.target[2:], before[2:])
    assert not torch.isclose(term.target[:2], before[:2]).any()


@pytest.mark.parametrize(("others", "right"), [([], False), (["cross_entropy"], True)])
def test_something_beside_it_learns_labels(others: list[str], right: bool) -> None:
    recipe = {"name": "r", "stages": [{"name": "s", "epochs": 1, "objective": ["elr", *others]}]}
    if right:
        assert parse_recipe(recipe)
        return
    with pytest.raises(RecipeError, match="learns labels beside `elr`, but got none"):
        parse_recipe(recipe)


def test_without_beta_it_remembers_the_step_alone() -> None:
    term = made(0.0)
    for seed in (1, 2):
        logits = normal(1, SIZE, CLASSES, seed=seed)
        term(step(Z[:1], LABEL, logits))
    assert torch.allclose(term.target, logits[0].softmax(1), atol=1e-6)

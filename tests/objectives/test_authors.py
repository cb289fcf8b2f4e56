"""Terms beside their authors' programs, whose numbers on small seeded inputs these are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import nn

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.mixup import MixupRule, mixed_rows
from supcon_ext.losses.rows import Source
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.models.heads.cosine import CosineClassifier
from supcon_ext.models.network import Network, Outputs
from supcon_ext.objectives import StepBatch, Term
from supcon_ext.objectives.base import TrainingFacts
from supcon_ext.objectives.co_teaching import CoTeaching
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.objectives.cross_entropy import CrossEntropy
from supcon_ext.objectives.mixing import Mix
from supcon_ext.objectives.similarity import Similarity
from tests.objectives.seeded import normal, step, unit

SIZE, CLASSES, DIM = 6, 3, 8
LABEL = torch.arange(SIZE) % CLASSES
FACTS = TrainingFacts(SIZE, CLASSES, torch.tensor([2, 2, 2]), dim=DIM)
PARTNER = torch.tensor([[1, 2, 3, 4, 5, 0], [2, 0, 1, 5, 3, 4]])
SHARE = torch.tensor([0.7, 0.6])
MIX = Mix(
    (PARTNER + SIZE * torch.arange(2)[:, None]).flatten(), SHARE.repeat_interleave(SIZE), None
)


def two_views(mixup: float = 0.0) -> StepBatch:
    """Embeddings and logits of two views; with Mixup, those are of the mixed images."""
    z = unit(2 * SIZE, DIM, seed=32).view(2, SIZE, DIM)
    made = step(z, LABEL, normal(2, SIZE, CLASSES, seed=31))
    if mixup:
        made._mixes[(mixup, 0.0)] = MIX, made.outputs()
    return made


def value(term: Term, made: StepBatch) -> float:
    term.setup(FACTS)
    return float(term(made).loss)


@pytest.mark.parametrize(("mixup", "expected"), [(0.0, 0.5855653), (1.0, 0.5931344)])
def test_selcl_similarity(mixup: float, expected: float) -> None:
    """ShikunLi/Sel-CL 98cc41e, utils/losses.py, Simi_loss of a batch, every pair of a class.

    Theirs counts the diagonal, as 0, in the mean. In the second its rows were told not to take
    their own sample for a partner's positive twice, which the program does (0.6235055).
    """
    rows = 2 * SIZE
    found = value(Similarity(selector="label", mixup=mixup), two_views(mixup))
    assert found * (rows - 1) / rows == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("mixup", "expected"), [(0.0, 1.2341857), (1.0, 1.3625063)])
def test_selcl_cross_entropy(mixup: float, expected: float) -> None:
    """The same repository, ClassificationLoss."""
    assert value(CrossEntropy(mixup=mixup), two_views(mixup)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("tau", "expected"), [(0.0, 4.764596), (1.0, 3.78985), (1.5, 3.4866438)])
def test_lifts_cosine_head_and_adjusted_loss(tau: float, expected: float) -> None:
    """shijxcs/LIFT ce15c60: CosineClassifier of scale 25, LogitAdjustedLoss."""
    head = CosineClassifier(DIM, CLASSES, scale=25)
    with torch.no_grad():
        head.weight.copy_(normal(CLASSES, DIM, seed=62))
    logits = head(normal(SIZE, DIM, seed=61))
    term = CrossEntropy(logit_adjustment=tau)
    term.setup(replace(FACTS, counts=torch.tensor([60, 12, 3])))
    found = term(step(unit(1, SIZE, DIM, seed=1), LABEL, logits[None])).loss
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_selcl_contrastive() -> None:
    """The same, Supervised_ContrastiveLearning_loss with sup_t 0.1 and aprox 1."""
    found = value(Contrastive("label", temperature=0.1, diagnostics=False), two_views())
    assert found == pytest.approx(6.412825, abs=2e-6)


@pytest.mark.parametrize(("mean", "expected"), [("apart", 6.3956528), ("together", 6.3913984)])
def test_selcl_contrastive_with_mixup(mean: Any, expected: float) -> None:
    """The same with shares .7 and .6: theirs is the mean over each image's positives apart.

    A partner's own rows count once in the number (6.3966546 in the program).
    """
    term = Contrastive("label", temperature=0.1, mixup=1.0, mixup_mean=mean, diagnostics=False)
    assert value(term, two_views(1)) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("tile", [1, 5, None])
def test_means_apart_are_the_losses_of_both_images_by_their_shares(tile: int | None) -> None:
    """In one call, with a queue of older keys, whatever the tiles, value and gradient."""
    kept = Rows.of(
        unit(9, DIM, seed=5),
        torch.arange(9) % CLASSES,
        index=100 + torch.arange(9),
        uid=-100 - torch.arange(9),
        source=Source.QUEUE,
    )
    index, partner = torch.arange(SIZE).repeat(2), PARTNER.flatten()
    share = SHARE.repeat_interleave(SIZE)
    first = Rows.of(unit(2 * SIZE, DIM, seed=32).requires_grad_(), LABEL.repeat(2), index=index)
    second = first.detached().rows(partner + SIZE * (torch.arange(2 * SIZE) >= SIZE))

    def loss(rule: Any) -> torch.Tensor:
        return SupConLoss(0.1, selector=rule, tile=tile, reduction="none")(mixed, extra=kept)

    mixed = mixed_rows(first, second, share)
    together = loss(MixupRule(SameLabel(), apart=True))
    alone = []
    for whole in (1.0, 0.0):  # the targets of one image alone
        mixed = mixed_rows(first, second, torch.full_like(share, whole))
        alone.append(loss(MixupRule(SameLabel())))
    expected = share * alone[0] + (1 - share) * alone[1]
    torch.testing.assert_close(together, expected)
    grads = [torch.autograd.grad(each.sum(), first.z)[0] for each in (together, expected)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize(
    ("share", "epoch", "expected"),
    [(1.0, 29, 1.3761164), (1.0, 30, 1.3148918), (0.7, 29, 1.3620628), (0.7, 30, 1.3002684)],
)
def test_selcl_plus_bootstrapping(share: float, epoch: int, expected: float) -> None:
    """The same, utils_plus.py, criterionMixBoot, startLabelCorrection 30; its epochs are from 1.

    Given the predictions: theirs are of the step, ours of the epoch's start.
    """
    mixup = 1.0 if share < 1 else 0.0
    term = CrossEntropy(bootstrap=0.2, bootstrap_after=30, mixup=mixup)
    term.setup(FACTS)
    made = step(unit(1, SIZE, DIM, seed=1), LABEL, normal(SIZE, CLASSES, seed=41)[None])
    if mixup:
        mix = Mix(PARTNER[0], torch.full((SIZE,), share), None)
        made._mixes[(mixup, 0.0)] = mix, made.outputs()
    if term.due(epoch):
        term.predicted = normal(SIZE, CLASSES, seed=42).argmax(1)
    assert float(term(made).loss) == pytest.approx(expected, abs=1e-6)


class Given(nn.Module):
    """A network whose logits are given."""

    def forward(self, images: torch.Tensor) -> Outputs:
        logits = normal(8, CLASSES, seed=52)
        return Outputs(logits, logits, logits)


@pytest.mark.parametrize(
    ("epoch", "kept", "first", "second"),
    [
        (0, 8, 0.15542938, 0.14714254),
        (3, 6, 0.15854131, 0.13774224),
        (9, 4, 0.24284065, 0.25633857),
        (15, 4, 0.24284065, 0.25633857),
    ],
)
def test_co_teaching(epoch: int, kept: int, first: float, second: float) -> None:
    """bhanML/Co-teaching 49fa8e5, loss.py and the schedule of main.py, forget_rate 0.5, exponent 1.

    Theirs divides each mean by the number of kept samples once more.
    """
    label = torch.arange(8) % CLASSES
    term = CoTeaching(rate=0.5, ramp_epochs=10)
    term.setup(replace(FACTS, new_network=lambda name: cast(Network, Given())))
    made = step(unit(1, 8, DIM, seed=1), label, normal(8, CLASSES, seed=51)[None], epoch=epoch)
    result = term(made)
    assert result.stats["kept"].item() * 8 == kept
    assert result.loss.item() / kept == pytest.approx(first + second, abs=1e-6)

"""Any selector goes with any weighting: the whole product, through the contrastive term.

Each pair makes a selection, a finite loss and finite gradients; the tile's size does not matter; a
restored term goes on with the same loss. A pair that does not fit is refused at construction.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.models.heads.linear import LinearClassifier
from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import Beliefs, TrainingFacts
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.selectors import linear_transition, transition, transition_rule, two_witnesses
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.base import selector as selectors
from supcon_ext.weightings.base import weighting as weightings
from tests.objectives.steps import ViewsOf
from tests.once import once

SAMPLES, CLASSES, FEATURES, DIM = 30, 4, 6, 5
NEEDS_A_FILE = {"offline_scores"}
SELECTORS = [name for name in selectors.names() if name not in NEEDS_A_FILE]
MULTILABEL = {"jaccard", "overlap"}


class Net(nn.Module):
    """Images are features; a projector and a classifier on them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.projector = nn.Linear(FEATURES, DIM)
        self.classifier = LinearClassifier(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> Outputs:
        features = images.flatten(1)
        z = functional.normalize(self.projector(features), dim=1)
        return Outputs(features, z, self.classifier(features))


def facts(label: Tensor) -> TrainingFacts:
    return TrainingFacts(
        samples=SAMPLES,
        classes=CLASSES,
        counts=torch.bincount(label, minlength=CLASSES),
        dim=DIM,
        features=FEATURES,
        epochs=10,
    )


def data() -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Features, labels with a class of one and a class of none, and a column of many labels."""
    generator = torch.Generator().manual_seed(1)
    label = torch.tensor([0] * 18 + [1] * 11 + [2])
    center = 2 * functional.one_hot(label, FEATURES).float()
    x = center + torch.randn(SAMPLES, FEATURES, generator=generator)
    return x, label, {"labels": functional.one_hot(label, CLASSES).float()}


def bank(net: Net, x: Tensor, label: Tensor, columns: dict[str, Tensor]) -> SampleBank:
    with torch.no_grad():
        out = net(x)
    return SampleBank(
        index=torch.arange(SAMPLES),
        label=label,
        classes=CLASSES,
        features=out.features,
        z=out.z,
        logits=out.logits,
        loss=functional.cross_entropy(out.logits, label, reduction="none"),
        peer_logits=out.logits.roll(1, 0),
        truth=torch.where(torch.arange(SAMPLES) % 4 == 0, (label + 1) % CLASSES, label),
        columns=columns,
    )


def step(
    net: Net, x: Tensor, term: Contrastive, label: Tensor, columns: dict[str, Tensor]
) -> Tensor:
    selection = term.refresh(bank(net, x, label, columns), 0)
    samples = Beliefs(label, torch.ones(SAMPLES), torch.zeros(SAMPLES, dtype=torch.int8), columns)
    if selection is not None:
        samples = Beliefs(
            selection.label, selection.trust, selection.role, columns, selection.posterior
        )
    index = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(2))[:16]
    noise = torch.randn(2, 16, FEATURES, generator=torch.Generator().manual_seed(3))
    images = (x[index] + 0.1 * noise)[..., None, None]
    generator = torch.Generator().manual_seed(4)
    batch = ViewsOf(images, ("a", "b"), index, samples, net, None, 6, 1, 0.6, generator)
    loss: Tensor = term(batch).loss
    return loss


@pytest.fixture(scope="module", autouse=True)
def banks_are_looked_at_once() -> Iterator[None]:
    """The bank is the same for every weighting."""
    estimate, hear = once(transition.estimate_transition), once(two_witnesses.hear)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_transition, "estimate_transition", estimate)
        patch.setattr(transition_rule, "estimate_transition", estimate)
        for module in (two_witnesses, transition_rule):
            patch.setattr(module, "hear", hear)
        yield


@pytest.mark.parametrize("weighting", weightings.names())
@pytest.mark.parametrize("selector", SELECTORS)
def test_any_selector_with_any_weighting(selector: str, weighting: str) -> None:
    x, label, columns = data()
    made = selectors.make(selector)
    missing = weightings.make(weighting).requires - made.provides
    if missing:
        with pytest.raises(ValueError, match="Expected a selector that gives"):
            Contrastive(selector, weighting)
        return
    net = Net()
    torch.manual_seed(5)
    term = Contrastive(selector, weighting, diagnostics=False)
    term.setup(facts(label))
    again = copy.deepcopy(term)
    loss = step(net, x, term, label, columns)
    loss.backward()
    assert loss.isfinite()
    for module in (net, term):
        for name, parameter in module.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), name
    tiled = copy.deepcopy(again)
    tiled.loss.tile = 3
    torch.testing.assert_close(step(net, x, tiled, label, columns), loss, atol=1e-5, rtol=1e-5)
    again.load_state_dict(copy.deepcopy(again.state_dict()))
    torch.testing.assert_close(step(net, x, again, label, columns), loss)


@pytest.mark.parametrize("weighting", weightings.names())
def test_weightings_of_batches_that_lack_something(weighting: str) -> None:
    """One view, one class, no trusted sample, no known label: finite, and never NaN."""
    x, label, _ = data()
    net = Net()
    for trust, known in ((0.0, True), (1.0, False), (1.0, True)):
        term = Contrastive("instance", weighting, diagnostics=False)
        term.setup(facts(label))
        shown = label if known else torch.full_like(label, -1)
        samples = Beliefs(
            shown, torch.full((SAMPLES,), trust), torch.zeros(SAMPLES, dtype=torch.int8)
        )
        for views, index in ((1, torch.arange(18)), (2, torch.tensor([29])), (2, torch.arange(4))):
            images = x[index].expand(views, -1, -1)[..., None, None]
            names = ("v",) * views
            batch = ViewsOf(images, names, index, samples, net, None, 6, 1, 0.6)
            loss = term(batch).loss
            loss.backward()
            assert loss.isfinite()

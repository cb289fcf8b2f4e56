"""The loss under ``torch.compile``: alone and behind a network, the values and gradients of eager.

The default backend needs a C++ compiler, which torch looks for itself: a few calls are made with
it. The product over the options is made with ``aot_eager``, which rewrites and differentiates the
same graphs.
"""

from __future__ import annotations

from itertools import cycle, product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from supcon_ext.losses import Rows, Source, SupConLoss
from supcon_ext.losses.queue import KeyQueue
from supcon_ext.losses.rows import WeightingStep
from supcon_ext.selectors.base import selector
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import weighting

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, -1, 0])
KEYS = Rows.of(
    torch.randn(6, 5, generator=torch.Generator().manual_seed(2)),
    [0, 1, 2, 2, 1, -1],
    index=torch.arange(100, 106),
    uid=-1 - torch.arange(6),
    source=Source.QUEUE,
)
MASK = (LABELS[:, None] == LABELS[None, :]).float()


@pytest.fixture(autouse=True)
def _nothing_compiled_before() -> None:
    torch._dynamo.reset()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 16), nn.ReLU(), nn.Linear(16, 5))


def inputs() -> Tensor:
    return torch.randn(8, 2, 7, generator=torch.Generator().manual_seed(1))


def equal_to_eager(settings: dict[str, Any], call: dict[str, Any], backend: str) -> None:
    """Compare a compiled network with a compiled loss, and both as one, with eager."""
    net, x = network(), inputs()
    loss = SupConLoss(**settings)

    def step(x: Tensor) -> Tensor:
        return loss(net(x), **call).sum() * 2

    expected = step(x)
    wanted = torch.autograd.grad(expected, list(net.parameters()))
    alone = torch.compile(loss, backend=backend)
    together = torch.compile(step, backend=backend)
    for found in (2 * alone(net(x), **call).sum(), together(x), together(x)):
        torch.testing.assert_close(found, expected)
        made = torch.autograd.grad(found, list(net.parameters()))
        for one, other in zip(made, wanted, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("settings", "call"),
    [
        pytest.param({}, {"labels": LABELS}, id="plain", marks=pytest.mark.long),
        pytest.param({"form": "in"}, {"labels": LABELS, "extra": KEYS}, id="in with a queue"),
    ],
)
def test_with_the_default_backend(settings: dict[str, Any], call: dict[str, Any]) -> None:
    equal_to_eager(settings, call, "inductor")


CALLS: dict[str, dict[str, Any]] = {
    "labels": {"labels": LABELS},
    "list": {"labels": LABELS.tolist()},
    "simclr": {},
    "queue": {"labels": LABELS, "extra": KEYS},
    "mask": {"mask": MASK},
}
SOME: list[tuple[dict[str, Any], str]] = [
    ({}, "labels"),
    ({}, "list"),
    ({}, "simclr"),
    ({"form": "in"}, "queue"),
    ({"denominator": "one_positive"}, "labels"),
    ({"denominator": "only_negatives", "form": "in"}, "mask"),
    ({"positives_cap": 1}, "queue"),
    ({"positives_cap": 1, "cap_sampling": "first", "surplus": "negative"}, "labels"),
    ({"rejected": "neutral"}, "labels"),
    ({"anchors": "first", "reduction": "none"}, "labels"),
    ({"reduction": "sum", "empty": "zero", "scale": "temperature"}, "labels"),
    ({"normalize": False, "tile": 3, "temperature": 1.0}, "labels"),
]


@pytest.mark.parametrize(("settings", "call"), SOME)
def test_some_of_every_option(settings: dict[str, Any], call: str) -> None:
    equal_to_eager(settings, CALLS[call], "aot_eager")


@pytest.mark.parametrize("name", weighting.names())
def test_every_weighting(name: str) -> None:
    counts = torch.tensor([3, 2, 2])
    torch.manual_seed(0)
    chosen = weighting.make(name)
    chosen.setup(TrainingFacts(samples=8, classes=3, counts=counts, dim=5, features=5))
    vectors = torch.randn(3, 5, requires_grad=True)
    net, x, loss = network(), inputs(), SupConLoss(weighting=chosen.eval())

    def step(x: Tensor, vectors: Tensor) -> Tensor:
        z = net(x).transpose(0, 1).flatten(0, 1)
        rows = Rows.of(z, LABELS.repeat(2), index=torch.arange(8).repeat(2))
        facts = WeightingStep(rows, 0.1, vectors, counts, generator=torch.Generator())
        return loss.details(rows, step=facts).loss

    weights = [*net.parameters(), vectors]
    expected = step(x, vectors)
    wanted = torch.autograd.grad(expected, weights, allow_unused=True)
    found = torch.compile(step, backend="aot_eager")(x, vectors)
    torch.testing.assert_close(found, expected)
    made = torch.autograd.grad(found, weights, allow_unused=True)
    assert [one is None for one in made] == [other is None for other in wanted]
    for one, other in zip(made, wanted, strict=True):
        if one is not None:
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["label", "instance", "jaccard", "overlap", "confident_pairs"])
def test_selectors(name: str) -> None:
    labels = torch.eye(3)[LABELS.clamp(min=0)] if name in ("jaccard", "overlap") else LABELS
    equal_to_eager({"selector": selector.make(name)}, {"labels": labels}, "aot_eager")


def test_khoslas_conventions_and_details() -> None:
    net, x = network(), inputs()
    loss = SupConLoss.khosla_compat()
    compiled = torch.compile(loss, backend="aot_eager")
    torch.testing.assert_close(compiled(net(x), LABELS), loss(net(x), LABELS))
    plain = SupConLoss()
    details = torch.compile(lambda z: plain.details(z, LABELS).anchor_losses, backend="aot_eager")
    torch.testing.assert_close(details(net(x)), plain.details(net(x), LABELS).anchor_losses)


def test_a_step_with_a_queue_that_is_filled_inside() -> None:
    net, x = network(), inputs()
    loss, trust = SupConLoss(), torch.ones(8)

    def step(queue: KeyQueue, x: Tensor) -> Tensor:
        z = nn.functional.normalize(net(x), dim=2)
        found = loss(z, LABELS, queue.rows(LABELS, trust))
        queue.push(z[:, 0].detach(), torch.arange(8))
        return found

    compiled = torch.compile(step, backend="aot_eager")
    one, other = KeyQueue(12, 5), KeyQueue(12, 5)
    for _ in range(3):
        torch.testing.assert_close(compiled(one, x), step(other, x))
    assert torch.equal(one.keys, other.keys) and len(one) == 12


def test_the_loss_is_one_break_and_is_not_compiled_anew() -> None:
    net, x = network(), inputs()
    loss = SupConLoss()
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(lambda x, y: loss(net(x), y) * 2, backend=counter)
    for step in range(4):
        compiled(x + step, LABELS.roll(step)).backward()
    assert counter.frame_count == 2


@pytest.mark.long
@pytest.mark.parametrize(
    ("form", "denominator", "call"),
    list(
        product(
            ["out", "in"],
            ["all", "one_positive", "only_negatives"],
            ["labels", "queue", "mask"],
        )
    ),
)
def test_the_product_of_the_options(form: Any, denominator: Any, call: str) -> None:
    reductions = cycle(["mean", "sum", "none"])
    for cap, rejected, anchors in product([None, 1], ["negative", "neutral"], ["all", "first"]):
        settings = {
            "form": form,
            "denominator": denominator,
            "positives_cap": cap,
            "rejected": rejected,
            "anchors": anchors,
            "reduction": next(reductions),
        }
        equal_to_eager(settings, CALLS[call], "aot_eager")
        torch._dynamo.reset()


@pytest.mark.long
@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize("form", ["out", "in"])
def test_calls_with_the_default_backend(form: str, call: str) -> None:
    equal_to_eager({"form": form}, CALLS[call], "inductor")

"""PaCo by hand: balanced softmax as a limit, positives, trust, chunks, the queue."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import TrainingFacts
from supcon_ext.objectives.paco import PaCo
from tests.objectives.seeded import classes, normal, step, unit
from tests.objectives.steps import ViewsOf
from tests.objectives.test_terms import Net, batch

FACTS = TrainingFacts(samples=6, classes=3, counts=torch.tensor([30, 10, 2]), dim=4)


def ready(**changes: object) -> PaCo:
    term = PaCo(**changes)  # type: ignore[arg-type]
    term.setup(FACTS)
    return term


def by_hand(made: ViewsOf, alpha: float, tau: float, smoothing: float = 0.0) -> torch.Tensor:
    outputs: Outputs = made.outputs()
    z, logits = outputs.z, outputs.logits
    label = made.label.repeat(3)
    prior = (FACTS.counts / FACTS.counts.sum()).log()
    losses = []
    for i in range(len(z)):
        if label[i] < 0:
            continue
        terms, weights = [], []
        for k in range(len(z)):
            if k != i:
                terms.append(z[i] @ z[k] / tau)
                weights.append(alpha * float(label[k] == label[i]))
        for c in range(3):
            terms.append(logits[i, c] + prior[c])
            own = float(c == label[i])
            weights.append((1 - smoothing) * own + smoothing / 2 * (1 - own))
        stacked, weight = torch.stack(terms), torch.tensor(weights)
        losses.append(stacked.logsumexp(0) - (weight * stacked).sum() / weight.sum())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("alpha", "smoothing"), [(0.0, 0.0), (0.05, 0.0), (1.0, 0.2)])
def test_in_loops(alpha: float, smoothing: float) -> None:
    made = batch()
    found = ready(alpha=alpha, smoothing=smoothing, temperature=0.3)(made).loss
    torch.testing.assert_close(found, by_hand(made, alpha, 0.3, smoothing))


def test_without_contrasts_it_is_balanced_softmax() -> None:
    made = batch()
    one = ViewsOf(made.images[:1, :1], ("a",), made.index[:1], made.beliefs, Net())
    found = ready(alpha=0.0)(one).loss
    logits = one.outputs().logits + (FACTS.counts / FACTS.counts.sum()).log()
    torch.testing.assert_close(found, functional.cross_entropy(logits, one.label))


def test_untrusted_samples_are_no_anchors_and_no_positives() -> None:
    made = batch()
    made.trust = torch.tensor([1.0, 0, 1, 1, 0])
    term = ready(alpha=0.5)
    loss = term(made).loss
    relabelled = batch()
    relabelled.trust = made.trust
    relabelled.label = torch.where(made.trust > 0.5, made.label, (made.label + 1) % 3)
    torch.testing.assert_close(term(relabelled).loss, loss)
    made.trust = torch.zeros(5)
    assert term(made).loss.item() == 0


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    net = torch.nn.Linear(4, 4)

    def network(images: torch.Tensor) -> Outputs:
        out = net(images.flatten(1))
        return Outputs(out, functional.normalize(out, dim=1), out[:, :3])

    found = []
    for chunk in (1 << 22, 40):
        monkeypatch.setattr("supcon_ext.objectives.paco.CHUNK", chunk)
        made = batch()
        made._network = network
        net.zero_grad()
        loss = ready()(made).loss
        loss.backward()
        assert net.weight.grad is not None
        found.append((loss.detach(), net.weight.grad.clone()))
    torch.testing.assert_close(found[0], found[1])


def test_autocast_does_not_round_the_loss() -> None:
    made = batch()
    loss = ready()(made).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ready()(made).loss, loss)


def test_the_prior_of_trusted_samples() -> None:
    made = batch()  # working labels 0 0 1 1 0 -1, of which sample 0 is not believed
    made.beliefs.trust = torch.tensor([0.0, 1, 1, 1, 1, 1])
    made.trust = made.beliefs.trust[made.index]
    term, expected = ready(prior="trusted"), ready()
    expected.given = torch.tensor([2, 2, 1])  # a class without samples counts as one
    torch.testing.assert_close(term(made).loss, expected(made).loss)
    assert not torch.equal(term(made).loss, ready()(made).loss)


def test_keys_of_the_twin_become_contrasts() -> None:
    term = ready(queue=20)
    first = term(batch(twin=Net())).loss
    assert term.queue is not None and len(term.queue) == 10  # keys of two of three views
    assert term(batch(twin=Net())).loss > first
    again = ready(queue=20)
    again.load_state_dict(term.state_dict())
    assert again.queue is not None and len(again.queue) == len(term.queue)


def test_with_a_queue_it_is_the_authors_paco() -> None:
    """dvlab-research/Parametric-Contrastive-Learning fe56535, PaCo/LT/losses.py.

    PaCoLoss(alpha=0.05, temperature=0.2, K=16, num_classes=4), counts 40, 20, 10 and 5.
    """
    size, dim, kept = 8, 16, 16
    label, old = classes(4, size, 4), classes(4, kept, 5)
    term = PaCo(alpha=0.05, temperature=0.2, queue=kept)
    counts = torch.tensor([40, 20, 10, 5])
    term.setup(TrainingFacts(samples=size + kept, classes=4, counts=counts, dim=dim))
    assert term.queue is not None
    term.queue.push(unit(kept, dim, seed=3), size + torch.arange(kept))
    z = torch.stack([unit(size, dim, seed=1), unit(size, dim, seed=2)])
    logits = torch.stack([normal(size, 4, seed=6), torch.zeros(size, 4)])
    made = step(z, label, logits, further=old)
    assert term(made).loss.item() == pytest.approx(5.760484, abs=2e-6)
    # the next step's queue holds this step's keys, the oldest are gone
    assert term.queue.index.tolist() == [*range(size), *range(2 * size, size + kept)]


@pytest.mark.parametrize(("smoothing", "expected"), [(0.0, 5.509507), (0.1, 5.549472)])
def test_without_a_queue_it_is_the_authors_gpaco(smoothing: float, expected: float) -> None:
    """The same repository, GPaCo/LT/losses.py, PaCoLoss(alpha=0.05, temperature=0.2, K=0)."""
    size, dim = 16, 16
    label = classes(5, size, 4)
    term = PaCo(alpha=0.05, temperature=0.2, smoothing=smoothing)
    counts = torch.tensor([40, 20, 10, 5, 2])
    term.setup(TrainingFacts(samples=size, classes=5, counts=counts, dim=dim))
    z = torch.stack([unit(size, dim, seed=1), unit(size, dim, seed=2)])
    made = step(z, label, normal(2 * size, 5, seed=6).view(2, size, 5))
    assert term(made).loss.item() == pytest.approx(expected, abs=2e-6)


def test_problems_name_the_queue() -> None:
    assert PaCo.problems({"queue": 5}, {"views": []}, {"model": {"ema": None}})
    assert not PaCo.problems({"queue": 5}, {"views": []}, {"model": {"ema": 0.9}})

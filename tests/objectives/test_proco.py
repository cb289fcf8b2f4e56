"""ProCo: the Bessel function, the closed form against samples, estimates, trust."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import ive
from torch.nn import functional

from supcon_ext.objectives.base import Beliefs, TrainingFacts
from supcon_ext.objectives.proco import ProCo, closed_form_losses, log_normalizer
from tests.objectives.seeded import normal, step, unit
from tests.objectives.test_terms import batch

FACTS = TrainingFacts(samples=6, classes=3, counts=torch.tensor([3, 2, 1]), dim=4)


@pytest.mark.parametrize(("dim", "error"), [(8, 2e-4), (32, 1e-7), (128, 1e-9), (1024, 1e-9)])
def test_the_normalizer_against_scipy(dim: int, error: float) -> None:
    kappa = torch.logspace(0, 3, 30, dtype=torch.float64).requires_grad_()
    order = dim / 2 - 1
    x = kappa.detach().numpy()
    with np.errstate(divide="ignore"):
        exact = order * np.log(x) - (np.log(ive(order, x)) + x)
    fit = np.isfinite(exact)
    found = log_normalizer(kappa, dim)
    np.testing.assert_allclose(found.detach().numpy()[fit], exact[fit], atol=error, rtol=1e-12)
    (slope,) = torch.autograd.grad(found.sum(), kappa)
    # d log C / d kappa = -I_{v+1} / I_v
    ratio = -ive(order + 1, x[fit]) / ive(order, x[fit])
    np.testing.assert_allclose(slope.numpy()[fit], ratio, atol=10 * error, rtol=1e-6)


@pytest.mark.parametrize(
    ("dim", "error"), [(4, 1e-2), (8, 2e-4), (16, 1e-6), (32, 1e-7), (64, 1e-9), (1024, 1e-9)]
)
def test_the_normalizer_to_40_digits(dim: int, error: float) -> None:
    order = mpmath.mpf(dim) / 2 - 1
    with mpmath.workdps(40):
        for kappa in (1e-3, 0.1, 1.0, 5.0, 30.0, 1e3, 1e5):
            x = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
            found = log_normalizer(x, dim)
            (slope,) = torch.autograd.grad(found, x)
            bessel = mpmath.besseli(order, kappa)
            exact = order * mpmath.log(kappa) - mpmath.log(bessel)
            assert abs(float(exact - mpmath.mpf(found.item()))) < error
            ratio = mpmath.besseli(order + 1, kappa) / bessel
            assert abs(float(ratio) + slope.item()) < 10 * error


def test_the_closed_form_is_the_limit_of_many_samples() -> None:
    """E exp(z . x / tau) over x ~ vMF(mu, kappa) = C(kappa) / C(|| kappa mu + z / tau ||)."""
    dim, kappa, tau = 16, 30.0, 0.5
    generator = np.random.default_rng(0)
    from scipy.stats import vonmises_fisher

    mean = np.eye(dim)[:2]
    z = functional.normalize(torch.from_numpy(generator.normal(size=(5, dim))), dim=1)
    logits = []
    for mu in mean:
        drawn = vonmises_fisher(mu, kappa).rvs(200_000, random_state=generator)
        logits.append(np.log(np.exp(z.numpy() @ drawn.T / tau).mean(1)))
    sampled = torch.from_numpy(np.stack(logits, 1))
    label = torch.tensor([0, 1, 0, 1, 0])
    found = closed_form_losses(
        z,
        label,
        torch.from_numpy(mean),
        torch.full((2,), kappa, dtype=torch.float64),
        torch.ones(2, dtype=torch.bool),
        torch.zeros(2),
        tau,
    )
    expected = functional.cross_entropy(sampled, label, reduction="none")
    torch.testing.assert_close(found.double(), expected, atol=5e-3, rtol=0)


def test_raising_a_prior_raises_the_training_logit() -> None:
    z = functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    mean, kappa = functional.normalize(torch.eye(8)[:2], dim=1), torch.tensor([5.0, 5.0])
    seen, label = torch.ones(2, dtype=torch.bool), torch.zeros(4).long()
    even = closed_form_losses(z, label, mean, kappa, seen, torch.zeros(2), 0.1)
    rich = closed_form_losses(z, label, mean, kappa, seen, torch.tensor([2.0, 0.0]), 0.1)
    assert (rich < even).all()


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    z = functional.normalize(torch.randn(9, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    mean = functional.normalize(torch.eye(8)[:3], dim=1)
    arguments = (torch.arange(9) % 3, mean, torch.tensor([1.0, 20, 1e5]))
    rest = (torch.ones(3, dtype=torch.bool), torch.zeros(3), 0.07)
    whole = closed_form_losses(z, *arguments, *rest)
    monkeypatch.setattr("supcon_ext.objectives.proco.CHUNK", 6)
    torch.testing.assert_close(closed_form_losses(z, *arguments, *rest), whole)


def test_backward_keeps_no_object_of_rows_and_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, classes = 64, 500
    generator = torch.Generator().manual_seed(0)
    z = functional.normalize(torch.randn(rows, 8, generator=generator), dim=1).requires_grad_()
    mean = functional.normalize(torch.randn(classes, 8, generator=generator), dim=1)
    seen = torch.ones(classes, dtype=torch.bool)
    arguments = (torch.arange(rows), mean, torch.full((classes,), 5.0), seen, seen * 0.0, 0.1)
    found = []
    for chunk in (1 << 22, 4 * classes):
        monkeypatch.setattr("supcon_ext.objectives.proco.CHUNK", chunk)
        largest = 0

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal largest
            largest = max(largest, tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            losses = closed_form_losses(z, *arguments)
        (grad,) = torch.autograd.grad(losses.mean(), z)
        found.append((losses.detach(), grad, largest))
    torch.testing.assert_close(found[0][:2], found[1][:2])
    assert found[0][2] == rows * classes and found[1][2] < rows * classes / 4


def test_autocast_does_not_round_the_loss() -> None:
    made = batch()
    made.outputs()
    found = []
    for enabled in (False, True):
        term = ProCo()
        term.setup(FACTS)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            found.append(term(made).loss)
    assert torch.equal(found[0], found[1])


def test_a_class_never_seen_gives_no_gradient_that_is_not_a_number() -> None:
    z = functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    for seen in (torch.tensor([True, False]), torch.tensor([False, False])):
        leaf = z.clone().requires_grad_()
        label = torch.tensor([0, 1, 0, -1])
        losses = closed_form_losses(
            leaf, label, torch.eye(8)[:2], torch.ones(2), seen, torch.zeros(2), 0.1
        )
        losses.sum().backward()
        assert losses.isfinite().all() and losses[[1, 3]].tolist() == [0, 0]
        assert leaf.grad is not None and leaf.grad.isfinite().all()


def test_estimates_come_from_trusted_samples_and_swap_by_epoch() -> None:
    term = ProCo()
    term.setup(FACTS)
    made = batch()
    made.trust = torch.tensor([1.0, 1, 0, 1, 1])
    result = term(made)
    assert result.loss.isfinite()
    trusted = (made.trust > 0.5) & (made.label >= 0)
    per_view = torch.bincount(made.label[trusted], minlength=3)
    assert term.count.tolist() == (3 * per_view).tolist()
    first = term.distributions()[0].clone()
    made.epoch = 1
    term(made)
    assert term.count.tolist() == (3 * per_view).tolist()
    torch.testing.assert_close(term.distributions()[0], first)  # those of the epoch before
    other = ProCo()
    other.setup(FACTS)
    other.load_state_dict(term.state_dict())
    assert torch.equal(other.total_before, term.total_before)


def test_nothing_trusted_is_nothing_lost() -> None:
    term = ProCo(prior="trusted")
    term.setup(FACTS)
    made = batch()
    made.beliefs = Beliefs(made.beliefs.label, torch.zeros(6), made.beliefs.role)
    made.trust = torch.zeros(5)
    assert term(made).loss.item() == 0


def test_many_classes_need_no_object_of_rows_classes_and_numbers() -> None:
    classes, dim = 8142, 64
    generator = torch.Generator().manual_seed(0)
    z = functional.normalize(torch.randn(64, dim, generator=generator), dim=1).requires_grad_()
    mean = functional.normalize(torch.randn(classes, dim, generator=generator), dim=1)
    kappa = 100 * torch.rand(classes, generator=generator) + 1
    losses = closed_form_losses(
        z,
        torch.arange(64),
        mean,
        kappa,
        torch.ones(classes, dtype=torch.bool),
        torch.zeros(classes),
        0.07,
    )
    losses.mean().backward()
    assert losses.isfinite().all() and z.grad is not None and z.grad.isfinite().all()


def losses_of_three_epochs(term: ProCo) -> list[float]:
    size, classes, dim = 32, 10, 128
    counts = torch.arange(10, 110, 10)
    term.setup(TrainingFacts(samples=550, classes=classes, counts=counts, dim=dim))
    label, centre = torch.arange(size) % classes, unit(classes, dim, seed=99)
    found = []
    for epoch in range(3):
        for number in (0, 1):
            noise = functional.normalize(normal(2 * size, dim, seed=10 * epoch + number), dim=1)
            z = functional.normalize(centre[label].repeat(2, 1) + 2 * noise, dim=1)
            made = step(z.view(2, size, dim), label, epoch=epoch)
            found.append(term(made).loss.item())
    return found


# Made by LeapLabTHU/ProCo af9e78e, ProCo/loss/proco.py, ProCoLoss(128, 0.1, 10) and its hook before
# each epoch, cross-entropy with the log prior, both views of a step handed over together.
AUTHORS = [0.519975, 0.757272, 0.899663, 0.894326, 0.892394, 0.947747]


def test_with_both_epochs_it_is_the_authors_program() -> None:
    found = losses_of_three_epochs(ProCo(temperature=0.1, estimate="both_epochs"))
    assert found == pytest.approx(AUTHORS, rel=2e-5)


def test_the_epoch_before_alone_differs_from_theirs_after_the_first_epoch() -> None:
    found = losses_of_three_epochs(ProCo(temperature=0.1))
    assert found[:2] == pytest.approx(AUTHORS[:2], rel=2e-5)
    assert all(
        abs(ours - theirs) > 1e-3 for ours, theirs in zip(found[2:], AUTHORS[2:], strict=True)
    )

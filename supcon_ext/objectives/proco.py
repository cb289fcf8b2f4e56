"""ProCo: every class is a distribution on the sphere, and its contrasts are integrated out.

Letters: R rows, C classes, D embedding.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from supcon_ext.losses.gather import gather_rows, global_mean, world_size
from supcon_ext.losses.rows import Rows
from supcon_ext.objectives.base import StepBatch, Term, TermResult, TrainingFacts, term

LARGEST = 1e5  # of a concentration
CHUNK = 1 << 18  # row-class pairs held at a time


def log_normalizer(kappa: Tensor, dim: int) -> Tensor:
    """Log C_D(kappa) of the von Mises-Fisher distribution, up to a constant in D.

    ``log C = (D/2 - 1) log kappa - log I_{D/2 - 1}(kappa)``, with the Bessel function by its
    uniform asymptotic expansion for large order, four terms (Abramowitz & Stegun 9.7.7). Against
    40 digits, for kappa from 1e-3 to 1e5, the error of the logarithm is below 1e-2 at D = 4, 2e-4
    at D = 8, 1e-6 at D = 16, 1e-7 at D = 32 and 1e-9 from D = 64; derivatives follow by autograd.

    Args:
        kappa: Positive, any shape.
        dim: D, at least 4.
    """
    order = dim / 2 - 1
    x = kappa.double() / order
    root = (1 + x * x).sqrt()
    p = 1 / root
    eta = root + x.log() - (1 + root).log()
    p2 = p * p
    u1 = p * (3 - 5 * p2) / 24
    u2 = p2 * (81 - 462 * p2 + 385 * p2**2) / 1152
    u3 = p**3 * (30375 - 369603 * p2 + 765765 * p2**2 - 425425 * p2**3) / 414720
    u4 = (
        p2**2
        * (4465125 - 94121676 * p2 + 349922430 * p2**2 - 446185740 * p2**3 + 185910725 * p2**4)
        / 39813120
    )
    series = 1 + u1 / order + u2 / order**2 + u3 / order**3 + u4 / order**4
    log_bessel = order * eta - 0.5 * math.log(2 * math.pi * order) - 0.5 * root.log() + series.log()
    return order * kappa.double().log() - log_bessel


@term("proco")
class ProCo(Term):
    """Probabilistic contrastive loss (Du et al. 2024, ProCo): contrasts without contrasts.

    Each class's embeddings follow a von Mises-Fisher distribution whose mean direction and
    concentration are estimated while training, from the mean of the embeddings seen. Contrasting
    against infinitely many samples of each class then has a closed form::

        logit_c = log C(kappa_c) - log C(|| kappa_c mu_c + z / tau ||) + log pi_c

    with the class prior pi, and the loss is cross-entropy over these logits. The length is computed
    as ``sqrt(kappa_c^2 + 1 / tau^2 + 2 kappa_c mu_c . z / tau)``, so that no (R, C, D) object is
    ever made; rows go in chunks, which backward computes again. ``kappa = D r / (1 - r^2)`` from
    the length r of the mean.

    With ``estimate: epoch_before``, the paper's form, estimates are those of the epoch before; the
    running epoch's are gathered beside them (over all processes) and take over when it is complete.
    The authors' code goes on with the old estimate while the epoch runs: ``estimate:
    both_epochs``, the mean over the epoch before and what was seen of this one. Either way the
    running ones serve in the first epoch. Theirs gives a class that was never seen a random
    direction; here it stands in no denominator. Theirs takes in one view before the other's logits
    are computed; here both views of a step come in together.

    Only trusted samples are estimated from and learned from. It is an objective and not a
    weighting, since it has no pairs.

    Args:
        temperature: tau.
        estimate: Whose embeddings the distributions are estimated from: ``epoch_before`` or
            ``both_epochs``.
        prior: Labels that pi counts: all ``given`` ones, or working labels of ``trusted`` samples.
            A class without any counts as one sample.
    """

    total: Tensor
    count: Tensor
    total_before: Tensor
    count_before: Tensor
    epoch: Tensor
    given: Tensor

    def __init__(
        self,
        temperature: Annotated[float, Field(gt=0)] = 0.1,
        estimate: Literal["epoch_before", "both_epochs"] = "epoch_before",
        prior: Literal["given", "trusted"] = "given",
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.estimate = estimate
        self.prior = prior

    def setup(self, facts: TrainingFacts) -> None:
        """Make the estimates' sums.

        Raises:
            ValueError: Embeddings too short for the expansion of the Bessel function.
        """
        if facts.dim < 4:
            raise ValueError(f"Expected embeddings of at least 4 numbers, but got {facts.dim}")
        shape = (facts.classes, facts.dim)
        self.register_buffer("total", torch.zeros(shape))
        self.register_buffer("count", torch.zeros(facts.classes))
        self.register_buffer("total_before", torch.zeros(shape))
        self.register_buffer("count_before", torch.zeros(facts.classes))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.register_buffer("given", facts.counts.clone())

    def forward(self, batch: StepBatch) -> TermResult:
        """Cross-entropy over the closed-form logits; logs the mean concentration."""
        rows = batch.rows(self.views)
        z = functional.normalize(batch.outputs().z[rows.place].float(), dim=1)
        label, trust = rows.label, rows.trust
        self._gather(batch, z.detach(), label, trust)
        mean, kappa, seen = self.distributions()
        counted = (label >= 0) & (trust > 0.5) & seen[label.clamp(min=0)]
        counts = self.given
        if self.prior == "trusted":
            counts = batch.beliefs.trusted_counts(len(self.count))
        log_prior = counts.clamp(min=1).double().log()
        losses = closed_form_losses(z, label, mean, kappa, seen, log_prior, self.temperature)
        loss, _ = global_mean(torch.where(counted, losses, 0.0), counted.to(losses.dtype))
        return TermResult(loss, {"kappa": kappa[seen].mean() if bool(seen.any()) else kappa.sum()})

    @torch.no_grad()
    def _gather(self, batch: StepBatch, z: Tensor, label: Tensor, trust: Tensor) -> None:
        """Add the batch of all processes to the running sums; begin anew with a new epoch."""
        if batch.epoch != int(self.epoch):
            self.total_before, self.count_before = self.total, self.count
            self.total, self.count = torch.zeros_like(self.total), torch.zeros_like(self.count)
            self.epoch.fill_(batch.epoch)
        views = Rows.of(z, label, trust=trust)
        if world_size() > 1:
            views, _ = gather_rows(views)
        used = (views.trust > 0.5) & (views.label >= 0)
        self.total = self.total.index_add(0, views.label[used], views.z[used].to(self.total))
        ones = torch.ones_like(views.trust[used])
        self.count = self.count.index_add(0, views.label[used], ones.to(self.count))

    def distributions(self) -> tuple[Tensor, Tensor, Tensor]:
        """``(C, D)`` mean directions, ``(C,)`` concentrations, ``(C,)`` bool which are known."""
        if self.estimate == "both_epochs":
            total, count = self.total_before + self.total, self.count_before + self.count
        else:
            before = self.count_before > 0
            total = torch.where(before[:, None], self.total_before, self.total)
            count = torch.where(before, self.count_before, self.count)
        mean = total / count.clamp(min=1)[:, None]
        length = mean.norm(dim=1)
        dim = mean.shape[1]
        kappa = (dim * length / (1 - length**2).clamp(min=1e-9)).clamp(1e-3, LARGEST)
        return functional.normalize(mean, dim=1), kappa, count > 0


def closed_form_losses(
    z: Tensor,
    label: Tensor,
    mean: Tensor,
    kappa: Tensor,
    seen: Tensor,
    log_prior: Tensor,
    temperature: float,
) -> Tensor:
    """``(R,)`` float32 cross-entropy over the closed-form logits, in chunks of rows.

    Inside it is float64, also under autocast: large logarithms are subtracted from each other.

    Args:
        z: ``(R, D)`` of unit norm, with gradient.
        label: ``(R,)`` int64; -1 gives 0.
        mean: ``(C, D)`` mean directions.
        kappa: ``(C,)`` concentrations.
        seen: ``(C,)`` bool; classes that are not stand in no denominator.
        log_prior: ``(C,)``.
        temperature: tau.
    """
    with torch.autocast(z.device.type, enabled=False):
        base = log_normalizer(kappa, z.shape[1]) + log_prior
        size = max(1, CHUNK // len(kappa))
        if len(z) <= size:
            return _chunk(z, label, mean, kappa, seen, base, temperature).float()
        parts = []
        for start in range(0, len(z), size):
            part = slice(start, start + size)
            loss = checkpoint(
                _chunk, z[part], label[part], mean, kappa, seen, base, temperature,
                use_reentrant=False,
            )  # fmt: skip
            parts.append(loss)
        return torch.cat(parts).float()


def _chunk(
    z: Tensor,
    label: Tensor,
    mean: Tensor,
    kappa: Tensor,
    seen: Tensor,
    base: Tensor,
    temperature: float,
) -> Tensor:
    """Losses of some rows; ``base`` is ``(C,)`` log C(kappa) plus the log prior."""
    cosine = (z @ mean.T).double()
    wide = kappa.double()
    squared = wide**2 + 1 / temperature**2 + 2 * wide * cosine / temperature
    length = squared.clamp(min=1e-6).sqrt()
    logits = (base - log_normalizer(length, z.shape[1])).masked_fill(~seen, -torch.inf)
    wanted = label.clamp(min=0)
    own = logits.gather(1, wanted[:, None])[:, 0]
    valid = (label >= 0) & seen[wanted]
    return torch.where(valid, logits.logsumexp(1) - own, 0.0)

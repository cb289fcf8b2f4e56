"""TCL: samples that the prototype of their given label claims.

Letters: N samples, D embedding, C classes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.mixtures import (
    Em,
    Start,
    gaussian_mixture,
    low_component,
    unit_range,
)

TCL = Em(iterations=100, tolerance=1e-3, variance=1e-6, unit=False)


def soft_assignment(z: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """How much each class's prototype claims each sample.

    A prototype is the sum of all embeddings, each weighed by the network's probability of the
    class, brought to unit norm; the claims are a softmax of cosines.

    Args:
        z: ``(N, D)`` float; rows are normalised here.
        logits: ``(N, C)`` float.
        temperature: Above 0.

    Returns:
        ``(N, C)`` float; rows sum to 1.
    """
    z = functional.normalize(z.float(), dim=1)
    prototypes = functional.normalize(logits.float().softmax(1).T @ z, dim=1)
    return (z @ prototypes.T / temperature).softmax(1)


@selector("tcl")
class Tcl(SampleSelector):
    """Believes samples that the prototype of their label claims (Huang et al. 2023, TCL).

    Two Gaussians are fitted to the claim of the given label's prototype (the claim itself, not its
    logarithm, as in the published code); a sample is believed if its posterior of the component of
    larger claims is above the threshold. Claims that are all the same keep every sample, with a
    warning. The posterior of the selection holds the claims of all classes.

    EM takes scikit-learn's settings, as the authors' code: at most 100 iterations, tolerance 1e-3.
    The claims are brought to [0, 1] before they are fitted, over all classes. The code starts from
    k-means, seed 0, which with few samples may stop at a split that is not the best: ``start``.

    Args:
        temperature: Of the claims.
        threshold: Posterior above which a sample is believed.
        per_class: Fit the samples of each given label by themselves (``sep_gmm`` of the code).
        start: Where EM starts: from the ``best_split`` of the claims in two, or from ``k_means``,
            as the authors' code.
    """

    requires = frozenset({"z", "logits"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        temperature: Annotated[float, Field(gt=0)] = 0.25,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        per_class: bool = False,
        start: Start = "best_split",
    ) -> None:
        self.temperature = temperature
        self.threshold = threshold
        self.per_class = per_class
        self.start = start

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Make the prototypes, read the claims, fit the mixture."""
        claims = soft_assignment(bank.need("z"), bank.need("logits"), self.temperature)
        own = claims.gather(1, bank.label[:, None])[:, 0]
        posterior, stats = low_component(
            unit_range(-own),
            partial(gaussian_mixture, em=replace(TCL, start=self.start)),
            bank.label,
            bank.classes,
            self.per_class,
        )
        trust = (posterior > self.threshold).float()
        stats = {"confident": float(trust.sum()), **stats}
        return Selection.of(bank.label, trust, stats, own, claims)

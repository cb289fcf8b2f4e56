"""SBCL: large classes are split into sub-classes of about the size of the small ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.losses.rows import PairTile, PairWeights, Rows, WeightingStep, WeightPlan
from supcon_ext.losses.supcon import SupConLoss
from supcon_ext.objectives.base import (
    Beliefs,
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
)
from supcon_ext.selectors.base import SampleBank
from supcon_ext.stage_epochs import StageEpochs

SMOOTHING = 10  # in the logarithm of a class's size: small classes are not all density


class _OtherSubClasses:
    """Positives: the same class in another sub-class, and the own views."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        other = pairs.same("label") & ~pairs.same("sub_class")
        return other | pairs.same("index")


@dataclass
class _RowTemperatures(PairWeights):
    """A temperature for each class."""

    temperature_C: Tensor
    default: float

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Row temperatures alone."""
        own = self.temperature_C.to(anchors.z)[anchors.label.clamp(min=0)]
        known = anchors.label >= 0
        return WeightPlan(temperature=torch.where(known, own, self.default))


@term("sub_class_contrastive")
class SubClassContrastive(Term):
    """Subclass-balanced contrastive learning (Hou et al. 2023, SBCL).

    Two losses are added: (a) SupCon with sub-classes for classes; (b) ``beta`` times SupCon whose
    positives are the other sub-classes of the class, with the own sub-class out of the denominator
    and a temperature for each class, larger the more its embeddings are spread. Own views are
    positives in both.

    The paper's temperature of (b) is ``tau exp(phi_c / mean phi)``, which is never below tau; the
    authors' code takes ``tau phi_c / mean phi``, and tau for a class that is one sub-class:
    ``spread: linear``. Their code also multiplies (a), and not (b), by 0.1 / 0.07, which is
    ``weight: 1.4286, beta: 0.175`` here.

    Sub-classes come from k-means of the embeddings within each class, ``n_c // max(n_min, size)``
    of them, n_min being the smallest class; they are found anew every few epochs. Before the first
    time it is SupCon. Only trusted samples are clustered, by their working labels; the others have
    their own views for positives and are contrasts. A sample whose working label has changed since
    is in no sub-class until the next clustering. Two losses with label spaces of their own are no
    weighting of one, so it is an objective.

    Args:
        temperature: tau of (a).
        beta: Weight of (b).
        spread: How the temperature of (b) follows a class's spread: ``exponential`` (paper) or
            ``linear`` (code).
        size: Least number of samples in a sub-class, as far as the class goes.
        warmup: Epochs of the stage before the first clustering.
        recluster_every: Epochs between clusterings.
        seed: Of k-means.
    """

    sub_class: Tensor
    clustered: Tensor
    temperature_C: Tensor

    def __init__(
        self,
        temperature: Annotated[float, Field(gt=0)] = 0.1,
        beta: Annotated[float, Field(ge=0)] = 0.25,
        spread: Literal["exponential", "linear"] = "exponential",
        size: Annotated[int, Field(ge=1)] = 10,
        warmup: Annotated[
            int, Field(ge=0), StageEpochs("classes stay whole and it is SupCon")
        ] = 10,
        recluster_every: Annotated[int, Field(ge=1)] = 10,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.beta = beta
        self.spread = spread
        self.size = size
        self.warmup = warmup
        self.recluster_every = recluster_every
        self.seed = seed
        self.loss = SupConLoss(temperature)
        self.temperatures = _RowTemperatures(torch.empty(0), temperature)
        self.between = SupConLoss(
            temperature,
            selector=_OtherSubClasses(),
            weighting=self.temperatures,
            rejected="neutral",
        )
        self._due: Tensor | None = None

    @property
    def requires(self) -> frozenset[str]:
        """Embeddings, for clustering."""
        return frozenset({"z"})

    def setup(self, facts: TrainingFacts) -> None:
        """Nobody has a sub-class yet."""
        self.register_buffer("sub_class", torch.full((facts.samples,), -1))
        self.register_buffer("clustered", torch.full((facts.samples,), -1))
        self.register_buffer("temperature_C", torch.full((facts.classes,), self.temperature))

    def due(self, epoch: int) -> bool:
        """Whether it is time to cluster."""
        since = epoch - self.warmup
        return since >= 0 and since % self.recluster_every == 0

    def refresh(self, bank: SampleBank, epoch: int) -> None:
        """Keep the embeddings, where it is time; the first step knows the epoch's beliefs."""
        self._due = bank.need("z").float() if self.due(epoch) else None

    def _cluster(self, z: Tensor, samples: Beliefs) -> None:
        believed = torch.where(samples.trust > 0.5, samples.label, -1)
        label, classes = believed.to(z.device), len(self.temperature_C)
        found = sub_classes(z, label, classes, self.size, self.seed)
        spread = class_spread(z, label, classes)
        if self.spread == "linear":
            factor = torch.where(_numbers(found, label, classes) > 1, spread, 1.0)
        else:
            factor = spread.exp()
        self.clustered = believed.clone()
        self.sub_class = found.to(believed.device)
        self.temperature_C = (self.temperature * factor).to(believed.device)

    def forward(self, batch: StepBatch) -> TermResult:
        """Both losses; logs (b) and the share of anchors that have a sub-class."""
        if self._due is not None:
            self._cluster(self._due, batch.beliefs)
            self._due = None
        mine = batch.rows(self.views)
        index = mine.sample
        label = torch.where(mine.trust > 0.5, mine.label, -1)
        sub = torch.where(label == self.clustered[index], self.sub_class[index], -1)
        z = batch.outputs().z[mine.place]
        rows = Rows.of(z, label, index=index, columns={"sub_class": sub})
        if not bool((self.sub_class >= 0).any()):
            return TermResult(self.loss(rows))
        first = self.loss(replace(rows, label=sub))
        self.temperatures.temperature_C = self.temperature_C
        second = self.between(rows)
        stats = {"between": second.detach(), "clustered": (sub >= 0).float().mean()}
        return TermResult(first + self.beta * second, stats)


def sub_classes(z: Tensor, label: Tensor, classes: int, size: int, seed: int) -> Tensor:
    """``(N,)`` int64 sub-class of each sample, numbered over all classes; -1 where unknown.

    Args:
        z: ``(N, D)``.
        label: ``(N,)`` int64; -1 is not clustered.
        classes: C.
        size: Least number of samples in a sub-class, unless its class is smaller.
        seed: Of k-means.
    """
    from sklearn.cluster import KMeans

    counts = torch.bincount(label[label >= 0], minlength=classes)
    present = counts[counts > 0]
    unit = max(int(present.min()) if len(present) else 1, size)
    result = torch.full_like(label, -1)
    first = 0
    for class_ in range(classes):
        members = (label == class_).nonzero()[:, 0]
        number = max(1, len(members) // unit)
        if len(members) == 0:
            continue
        if number == 1:
            found = np.zeros(len(members), dtype=np.int64)
        else:
            means = KMeans(number, n_init=1, random_state=seed)
            found = means.fit_predict(z[members].cpu().numpy())
        result[members] = first + torch.from_numpy(found.astype(np.int64)).to(label.device)
        first += number
    return result


def _numbers(sub_class: Tensor, label: Tensor, classes: int) -> Tensor:
    """``(C,)`` int64 number of sub-classes of each class."""
    known = label >= 0
    pairs = torch.unique(torch.stack([label[known], sub_class[known]], 1), dim=0)
    return torch.bincount(pairs[:, 0], minlength=classes)


def class_spread(z: Tensor, label: Tensor, classes: int) -> Tensor:
    """``(C,)`` how far each class is spread about its mean, relative to the mean of all classes.

    ``phi_c = mean distance to the mean / log(n_c + 10)``, clipped to the classes' 20 and 80 %
    quantiles and divided by their mean; 1 for a class without samples.
    """
    phi = torch.zeros(classes)
    known = torch.zeros(classes, dtype=torch.bool)
    for class_ in range(classes):
        members = z[label == class_].float()
        if len(members):
            distance = (members - members.mean(0)).norm(dim=1).mean()
            phi[class_] = distance / float(np.log(len(members) + SMOOTHING))
            known[class_] = True
    if not bool(known.any()):
        return torch.ones(classes)
    low, high = torch.quantile(phi[known], torch.tensor([0.2, 0.8]))
    clipped = phi.clamp(float(low), float(high))
    mean = clipped[known].mean().clamp(min=1e-12)
    return torch.where(known, clipped / mean, torch.ones(classes))

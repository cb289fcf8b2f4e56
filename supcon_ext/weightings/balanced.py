"""BCL: every class weighs the same in the denominator, and is present through a prototype."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.losses.counts import quality
from supcon_ext.losses.rows import Rows, Source, WeightPlan
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting
from supcon_ext.weightings.counting_itself import counting_itself, origin_row
from supcon_ext.weightings.prototypes import ClassPrototypes, class_prototypes

NOBODY = 1e-6
"""A class's mass without the anchor, up to rounding, where the anchor is alone in it."""


@weighting("balanced")
class Balanced(Weighting):
    """Class averaging and class complement (Zhu et al. 2022, BCL), as the authors' code has it.

        D_i = sum_j m_ij^(gamma - 1) sum_{k in B_j and c_j, k != i} exp(s_ik)
        m_ij = n_j + 1 - [j = y_i]

    n_j counts the trusted contrasts of class j, views and queue of the global batch; the prototype
    c_j counts one, and the anchor leaves its own class's count. Counts go by which samples are
    trusted, never by which pairs are positives. Untrusted contrasts are in no class's mean.
    A synthetic contrast counts as much as its quality, which is a factor on its exp(s) too.

    The formula printed in the paper counts the anchor in its own class and lets it stand in the
    sum; the code does neither. This follows the code unless ``count`` says otherwise.

    Args:
        gamma: 0 is BCL, 1 is SupCon with prototypes; values between interpolate.
        prototypes: Whether each class has a prototype among the contrasts.
        hidden: Width of the prototypes' MLP.
        unknown: Weight rho of all untrusted contrasts together, beside 1 of each class; 0 leaves
            them out.
        untrusted_anchors: ``skip`` untrusted anchors (give them a term of their own with
            ``samples: unconfident``), or ``keep`` them.
        soft: Let each contrast count for every class by the selector's posterior:
            ``D_i = sum_k exp(s_ik) sum_c r_kc / (n_c - r_ic)`` with ``n_c = 1 + sum_k r_kc`` (1 for
            the prototype). Until there is a posterior, the labels count: the hard form.
        count: ``released``, or ``printed``: ``m_ij = n_j + 1``, and the anchor stands in its own
            class's sum. Not with ``soft``.

    Raises:
        ValueError: ``soft`` beside ``count: printed``.
    """

    def __init__(
        self,
        gamma: Annotated[float, Field(ge=0, le=1)] = 0.0,
        prototypes: bool = True,
        hidden: Annotated[int, Field(ge=1)] = 512,
        unknown: Annotated[float, Field(ge=0)] = 0.0,
        untrusted_anchors: Literal["skip", "keep"] = "skip",
        soft: bool = False,
        count: Literal["released", "printed"] = "released",
    ) -> None:
        super().__init__()
        if soft and count == "printed":
            raise ValueError(
                "Expected `count: released` beside `soft`, but got 'printed'. Try: the hard form"
            )
        self.gamma = gamma
        self.prototypes = prototypes
        self.hidden = hidden
        self.unknown = unknown
        self.untrusted_anchors = untrusted_anchors
        self.soft = soft
        self.count = count
        self.requires = frozenset({"posterior"}) if soft else frozenset()
        self.made: ClassPrototypes | None = None

    def setup(self, facts: TrainingFacts) -> None:
        """Make the prototypes' MLP."""
        super().setup(facts)
        if self.prototypes:
            self.made = ClassPrototypes(facts.features, self.hidden, facts.dim, facts.classes)

    def columns(self, step: WeightingStep) -> Rows | None:
        """The prototypes, with gradient to the classifier.

        Raises:
            ValueError: There is no classifier to make prototypes of.
        """
        prototypes = self._prototypes(step) if self.prototypes else None
        if self.count == "released":
            return prototypes
        itself = origin_row(step.rows, -1 - (0 if prototypes is None else len(prototypes)))
        return itself if prototypes is None else Rows.cat([prototypes, itself])

    def _prototypes(self, step: WeightingStep) -> Rows:
        return class_prototypes(self.made, step, "prototypes: false")

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Log weights of contrasts, corrections of anchors, and which anchors count."""
        counts = self.counts(contrasts)
        if self.count == "released":
            return self._plan(anchors, contrasts, counts)
        plan = self._plan(anchors, contrasts.rows(slice(0, len(contrasts) - 1)), counts)
        return plan if counts is None else counting_itself(plan, anchors, step.temperature)

    def _plan(self, anchors: Rows, contrasts: Rows, counts: Tensor | None) -> WeightPlan:
        z = contrasts.z
        trusted = (contrasts.trust > 0.5) & (contrasts.label >= 0)
        anchor = None
        if self.untrusted_anchors == "skip":
            anchor = trusted[: len(anchors)].to(z.dtype)
        if counts is None:
            return WeightPlan(anchor=anchor)
        if self.soft and "posterior" in contrasts.columns:
            return WeightPlan(anchor=anchor, table=self._table(anchors, contrasts))
        prototype = contrasts.source == Source.PROTOTYPE
        present = torch.zeros_like(counts)
        present.index_add_(
            0, contrasts.label[prototype], torch.ones_like(counts[:1]).expand(int(prototype.sum()))
        )
        size = (counts + present).to(z.dtype)
        size = torch.where(size > 0, size, 1.0)
        group = torch.where(trusted, contrasts.label, -1)
        own = size[group.clamp(min=0)]
        log_column = (self.gamma - 1) * own.log()
        good = quality(contrasts).to(z.dtype)
        if "quality" in contrasts.columns:
            log_column = log_column + good.log()
        untrusted = ~trusted
        rest = untrusted.sum().clamp(min=1).to(z.dtype).log()
        pooled = math.log(self.unknown) - rest if self.unknown else z.new_tensor(-torch.inf)
        log_column = torch.where(untrusted, pooled, log_column)
        # the anchor leaves its class's count; alone in its class it has nobody to correct
        mine = own[: len(anchors)]
        others = mine - good[: len(anchors)]
        accompanied = others > NOBODY
        log_same = (self.gamma - 1) * (torch.where(accompanied, others, 1.0).log() - mine.log())
        log_same = torch.where(trusted[: len(anchors)] & accompanied, log_same, 0.0)
        return WeightPlan(anchor=anchor, log_column=log_column, log_same=log_same, group=group)

    def _table(self, anchors: Rows, contrasts: Rows) -> tuple[Tensor, Tensor]:
        """Factors of the soft form; untrusted rows belong to no class, but to the pooled group."""
        posterior = contrasts.columns["posterior"].to(contrasts.z.dtype)
        trusted = (contrasts.trust > 0.5) & (contrasts.label >= 0)
        posterior = posterior * trusted[:, None]
        if "quality" in contrasts.columns:
            posterior = posterior * quality(contrasts).to(posterior.dtype)[:, None]
        mass = posterior.sum(0)
        row = (mass[None, :] - posterior).clamp(min=1e-6) ** (self.gamma - 1)
        if self.unknown:
            rest = (~trusted).to(posterior.dtype)
            pooled = self.unknown * rest / rest.sum().clamp(min=1)
            row = torch.cat([row, torch.ones_like(row[:, :1])], 1)
            posterior = torch.cat([posterior, pooled[:, None]], 1)
        return row, posterior

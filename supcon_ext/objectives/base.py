"""What a stage minimises: a weighted sum of terms, each of which asks for what it needs.

Shape letters: V views, B samples of a batch, N training samples, F features, D projection, C
classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from data_tools.registry import Registry, part_name
from supcon_ext.models.network import Network, Outputs
from supcon_ext.objectives.check_result import check_result
from supcon_ext.objectives.mixing import Mix, draw_mix, mix_images
from supcon_ext.selectors.asking import checked_selection
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection
from supcon_ext.training_facts import TrainingFacts

__all__ = ["Beliefs", "Objective", "StepBatch", "Term", "TermResult", "TrainingFacts", "term"]


@dataclass(slots=True)
class Beliefs:
    """What is believed of every training sample now, in data set order.

    Attributes:
        label: ``(N,)`` int64 working label.
        trust: ``(N,)`` float32 in [0, 1].
        role: ``(N,)`` int8.
        columns: Further columns of the data set that are numbers.
        posterior: ``(N, C)`` float32 P(true class), or None.
    """

    label: Tensor
    trust: Tensor
    role: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    posterior: Tensor | None = None
    _counted: tuple[Tensor, Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def trusted_counts(self, classes: int) -> Tensor:
        """``(C,)`` int64 samples of each working label that are trusted above 0.5.

        Counted once for each label and trust that the samples are given.
        """
        known = self._counted
        if known is not None and known[0] is self.label and known[1] is self.trust:
            if len(known[2]) == classes:
                return known[2]
        counted = (self.label >= 0) & (self.trust > 0.5)
        counts = torch.zeros(classes, dtype=torch.int64, device=self.label.device)
        counts.index_add_(0, self.label.clamp(min=0), counted.long())
        self._counted = self.label, self.trust, counts
        return counts


class StepBatch:
    """One batch as the terms see it. Forward passes are made when first asked for, and shared.

    Args:
        images: ``(V, B, channels, H, W)`` float32.
        view_names: Name of the group each of the V views belongs to.
        index: ``(B,)`` int64 samples.
        samples: What is believed of every training sample.
        network: Maps images ``(n, channels, H, W)`` to :class:`Outputs`.
        twin: The EMA twin, in the same form, without gradient; None where the recipe has none.
        epoch: Epochs of this stage that are done, from 0.
        step: Steps of this epoch that are done, from 0.
        progress: Share of the stage that is done, in [0, 1).
        generator: For random draws of this process; kept in the checkpoint.
    """

    def __init__(
        self,
        images: Tensor,
        view_names: tuple[str, ...],
        index: Tensor,
        samples: Beliefs,
        network: Callable[[Tensor], Outputs],
        twin: Callable[[Tensor], Outputs] | None,
        epoch: int,
        step: int,
        progress: float,
        generator: torch.Generator,
    ) -> None:
        self.images = images
        self.view_names = view_names
        self.index = index
        self.samples = samples
        self.label = samples.label[index]
        self.trust = samples.trust[index]
        self.role = samples.role[index]
        self.epoch = epoch
        self.step = step
        self.progress = progress
        self.generator = generator
        self._network = network
        self._twin = twin
        self._outputs: dict[str, Outputs] = {}
        self._mixes: dict[tuple[float, float], tuple[Mix, Outputs]] = {}

    def _pass(self, network: Callable[[Tensor], Outputs], images: Tensor) -> Outputs:
        views, batch = images.shape[:2]
        return network(images.flatten(0, 1)).map(lambda rows: rows.view(views, batch, -1))

    def outputs(self) -> Outputs:
        """Features ``(V, B, F)``, projections ``(V, B, D)``, logits ``(V, B, C)`` of all views."""
        if "plain" not in self._outputs:
            self._outputs["plain"] = self._pass(self._network, self.images)
        return self._outputs["plain"]

    def twin_outputs(self) -> Outputs:
        """The same of the EMA twin, without gradient."""
        if self._twin is None:
            raise ValueError("Expected an EMA twin, but the recipe has none. Try: model.ema=0.99")
        if "twin" not in self._outputs:
            with torch.no_grad():
                self._outputs["twin"] = self._pass(self._twin, self.images)
        return self._outputs["twin"]

    def mixed(self, mixup: float, cutmix: float) -> tuple[Mix, Outputs]:
        """A pass over mixed images: who was mixed with whom, how much, and the outputs.

        Args:
            mixup: Alpha of Mixup (Zhang et al. 2018); 0 leaves it out.
            cutmix: Alpha of CutMix (Yun et al. 2019); 0 leaves it out. With both, each batch draws
                one.
        """
        key = (mixup, cutmix)
        if key not in self._mixes:
            mix = draw_mix(self.images.shape, mixup, cutmix, self.generator)
            images = mix_images(self.images, mix)
            self._mixes[key] = mix, self._pass(self._network, images)
        return self._mixes[key]

    @property
    def class_vectors(self) -> Tensor | None:
        """``(C, F)`` the classifier's weights, with gradient; None where the network has none."""
        classifier = getattr(self._network, "classifier", None)
        return None if classifier is None else cast(Tensor, classifier.weight_CF)

    def view_rows(self, name: str | None) -> list[int]:
        """Positions of the views of one group; of all views for None.

        Raises:
            ValueError: No group has this name.
        """
        if name is None:
            return list(range(len(self.view_names)))
        rows = [row for row, group in enumerate(self.view_names) if group == name]
        if not rows:
            raise ValueError(
                f"Expected `views` to name one of {sorted(set(self.view_names))}, but got '{name}'"
            )
        return rows


@dataclass(frozen=True, slots=True)
class TermResult:
    """A term's value in one step: a scalar with gradient, and numbers to log (detached scalars)."""

    loss: Tensor
    stats: Mapping[str, Tensor] = field(default_factory=dict)


OverStage = Literal["constant", "falling", "rising"]


def share_of(over_stage: OverStage, progress: float) -> float:
    """Factor on a term's weight at a share of the stage in [0, 1)."""
    if over_stage == "constant":
        return 1.0
    return 1 - progress**2 if over_stage == "falling" else progress**2


class Term(nn.Module, ABC):
    """One weighted term of a stage's objective.

    Parameters and buffers of a term are trained and saved with the run.

    Attributes:
        weight: Factor of this term in the sum.
        over_stage: How the factor goes over the stage: ``constant``; ``falling``, times 1 - x^2 at
            the share x of the stage; ``rising``, times x^2 (the curriculum of Hybrid-SC, Wang et
            al. 2021: the contrastive term falls, cross-entropy rises).
        requires: What :meth:`refresh` needs of the bank.
        trains_classifier: Whether this term trains the network's classifier.
    """

    weight: float
    over_stage: OverStage = "constant"
    trains_classifier: ClassVar[bool] = False

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Iterable[tuple[tuple[str, ...], str]]:
        """What is wrong between this term and its stage, before anything is made."""
        return view_problems(params, stage)

    @property
    def selector_in_use(self) -> PositiveSelector | None:
        """The positive selector that this term refreshes; None for a term without one."""
        return None

    @property
    def peer(self) -> Network | None:
        """The second network that this term trains, for selectors that compare two; else None."""
        return None

    @property
    def requires(self) -> frozenset[str]:
        """What :meth:`refresh` needs of the bank."""
        return frozenset()

    def due(self, epoch: int) -> bool:
        """Whether :meth:`refresh`, called in any case, needs in this epoch what it requires."""
        return True

    def setup(self, facts: TrainingFacts) -> None:
        """Called once, before the stage's first step; buffers of the right size are made here."""

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Called at the start of each epoch; what to believe from here on, or None."""
        return None

    @abstractmethod
    def forward(self, batch: StepBatch) -> TermResult:
        """The term's value for one batch."""


def view_problems(
    params: Mapping[str, Any], stage: Mapping[str, Any]
) -> list[tuple[tuple[str, ...], str]]:
    """A term that names a view group which its stage does not make."""
    name = params.get("views")
    views = stage.get("views")
    groups = [view.get("name") for view in (views if isinstance(views, list) else [views]) if view]
    if name is None or name in groups:
        return []
    named = [group for group in groups if group] or ["none; give them a `name`"]
    return [
        (("views",), f"Expected a view group of this stage ({', '.join(named)}), but got {name!r}")
    ]


term = Registry[Term]("term", "supcon_ext.objectives")


class Objective(nn.Module):
    """The weighted sum of a stage's terms.

    Args:
        terms: By the name under which each is logged.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(dict(terms))

    def __iter__(self) -> Iterator[tuple[str, Term]]:
        return iter(cast(Any, self.terms.items()))

    @property
    def requires(self) -> frozenset[str]:
        """What the terms need of the bank."""
        return frozenset().union(*(part.requires for _, part in self))

    def requires_at(self, epoch: int) -> frozenset[str]:
        """What the terms need of the bank in an epoch: of those that are due."""
        return frozenset().union(*(part.requires for _, part in self if part.due(epoch)))

    @property
    def trains_classifier(self) -> bool:
        """Whether a term trains the network's classifier."""
        return any(part.trains_classifier for _, part in self)

    @property
    def selector_in_use(self) -> PositiveSelector | None:
        """The selector of the first term that has one."""
        return next((p.selector_in_use for _, p in self if p.selector_in_use is not None), None)

    @property
    def peer(self) -> Network | None:
        """The second network that a term trains, or None."""
        return next((p.peer for _, p in self if p.peer is not None), None)

    def setup(self, facts: TrainingFacts) -> None:
        """Tell every term what is known before training starts.

        Raises:
            ValueError: A selector requires a second network, and no term trains one.
        """
        facts = replace(facts, selector=self.selector_in_use)
        for _, part in self:
            part.setup(facts)
        if "peer_logits" in self.requires and self.peer is None:
            raise ValueError(
                "Expected a term that trains a second network beside a selector that compares two, "
                "but got none. Try: - co_teaching in the stage's objective"
            )

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Let every term look at the bank; at most one may select.

        Raises:
            ValueError: Two terms each want to say what to believe.
        """
        selections = {
            name: checked_selection(part_name("term", part), part.refresh(bank, epoch), bank)
            for name, part in self
        }
        found = {name: made for name, made in selections.items() if made is not None}
        if len(found) > 1:
            raise ValueError(
                f"Expected one term of the objective to select samples, but got {sorted(found)}"
            )
        return next(iter(found.values()), None)

    def forward(self, batch: StepBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and the numbers of all terms by ``term/number``."""
        total: Tensor | None = None
        stats: dict[str, Tensor] = {}
        for name, part in self:
            result: Any = part(batch)
            check_result(part, result, TermResult)
            stats[f"{name}/loss"] = result.loss.detach()
            stats.update({f"{name}/{key}": value for key, value in result.stats.items()})
            weighted = part.weight * share_of(part.over_stage, batch.progress) * result.loss
            total = weighted if total is None else total + weighted
        if total is None:
            raise ValueError("Expected an objective of at least one term, but got none")
        return total, stats

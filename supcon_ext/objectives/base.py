"""What a stage minimises: a weighted sum of terms, each of which asks for what it needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field
from torch import Tensor, nn

from data_tools.registry import Registry, part_name
from data_tools.samples import SampleSet
from supcon_ext.models.network import Network
from supcon_ext.objectives.batch import GroupRows, StepBatch
from supcon_ext.objectives.beliefs import Beliefs
from supcon_ext.objectives.check_result import check_result
from supcon_ext.objectives.passes import Pass
from supcon_ext.selectors.asking import checked_selection
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection
from supcon_ext.training_facts import TrainingFacts

__all__ = [
    "Beliefs",
    "GroupRows",
    "Objective",
    "Pass",
    "StepBatch",
    "Term",
    "TermResult",
    "TrainingFacts",
    "term",
]


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

    Parameters and buffers of a term are trained and saved with the run. ``weight``, ``over_stage``
    and ``views`` are keys of every term in a recipe, whatever its ``__init__`` takes; in Python
    they are attributes to set (``term.make("paco", views="contrast")`` does both at once).

    Attributes:
        weight: Factor of this term in the sum.
        over_stage: How that factor goes over the stage: ``constant``; ``falling``, times 1 - x^2 at
            the share x of the stage; ``rising``, times x^2 (the curriculum of Hybrid-SC, Wang et
            al. 2021: the contrastive term falls, cross-entropy rises).
        views: Name of the view group that this term looks at; null for all views.
        requires: What :meth:`refresh` needs of the bank.
        trains_classifier: Whether this term trains the network's classifier.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    over_stage: OverStage = "constant"
    views: str | None = None
    trains_classifier: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()

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
    def passes(self) -> tuple[Pass, ...]:
        """What :meth:`forward` passes through networks in every step; the plain pass over all."""
        return (Pass(),)

    @property
    def images_only(self) -> str | None:
        """What of this term only images can have, as a recipe calls it; None for nothing."""
        return None

    @property
    def requires(self) -> frozenset[str]:
        """What :meth:`refresh` needs of the bank."""
        return frozenset()

    def due(self, epoch: int) -> bool:
        """Whether :meth:`refresh`, called in any case, needs in this epoch what it requires."""
        return True

    def check(self, samples: SampleSet) -> None:
        """Called before anything is trained or written; refuses what the term cannot train on.

        Args:
            samples: The training set.
        """

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


term = Registry[Term](
    "term", "supcon_ext.objectives", common=("weight", "over_stage", "views"), base=Term
)


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

    @property
    def passes(self) -> tuple[Pass, ...]:
        """What the terms pass through networks in every step."""
        return tuple(each for _, part in self for each in part.passes)

    def setup(self, facts: TrainingFacts) -> None:
        """Tell every term what is known before training starts.

        Raises:
            ValueError: A selector requires a second network, and no term trains one.
        """
        facts = replace(facts, selector=self.selector_in_use, passes=self.passes)
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

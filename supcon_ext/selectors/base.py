"""What a positive selector is: it decides which pairs are positives, and whom to believe.

A selector of one's own is a class with one method, in a module that a recipe names under
``plugins``::

    @selector("same_scanner")
    class SameScanner(PositiveSelector):
        '''Positives share the label and the scanner that took them.'''

        def targets(self, pairs):
            return pairs.same("label") & pairs.same("scanner")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Literal

import torch
from torch import Tensor

from data_tools.registry import Registry
from supcon_ext.losses.arguments import fractions, integers, shown, whole
from supcon_ext.losses.factors import Factors, label_code
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.neighbours import NeighbourGraph, nearest_neighbours


class Role(IntEnum):
    """What a sample is used for (values of ``Selection.role``)."""

    LABELLED = 0
    UNLABELLED = 1
    DROPPED = 2


@dataclass(frozen=True, slots=True)
class SampleBank:
    """What is known of every training sample at an epoch's start, in data set order; read-only.

    Only what some part requires is filled in; the rest is None.

    Attributes:
        index: ``(N,)`` int64, 0 to N - 1.
        label: ``(N,)`` int64 given labels.
        classes: Number of classes C.
        features: ``(N, F)`` float32 backbone features.
        z: ``(N, D)`` float32 projections of unit norm.
        logits: ``(N, C)`` float32 of the classifier.
        loss: ``(N,)`` float32 cross-entropy of the logits against the given labels.
        peer_logits: ``(N, C)`` float32 of the second network, which a ``co_teaching`` term trains.
        truth: ``(N,)`` int64 true labels, -1 for open-set images: for the oracle alone.
        real: How many samples are real, the first ones; the others are synthetic. None: all.
        columns: Further columns of the data set.
        device: Where neighbours are searched.
        search: ``exact``, or ``faiss`` for the approximate search.
        graphs: Neighbour graphs found so far.
    """

    index: Tensor
    label: Tensor
    classes: int
    features: Tensor | None = None
    z: Tensor | None = None
    logits: Tensor | None = None
    loss: Tensor | None = None
    peer_logits: Tensor | None = None
    truth: Tensor | None = None
    real: int | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    search: Literal["exact", "faiss"] = "exact"
    graphs: dict[str, NeighbourGraph] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.label, Tensor) or self.label.ndim != 1:
            raise ValueError(
                f"Expected a tensor (N,) as argument `label` of the bank, but got "
                f"{shown(self.label)}. Try: torch.as_tensor(labels)"
            )
        whole("classes", self.classes, least=1)
        integers("label", self.label, self.label)
        integers("index", self.index, self.label)
        for name in ("features", "z", "logits", "loss", "peer_logits", "truth"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, Tensor) or len(value) != len(self)):
                raise ValueError(
                    f"Expected a tensor of {len(self.label)} rows as argument `{name}` of the "
                    f"bank, but got {shown(value)}. Try: a row for each training sample"
                )

    def __len__(self) -> int:
        return len(self.label)

    def need(self, name: str) -> Tensor:
        """What a selector requires, by its name.

        Raises:
            ValueError: The bank has none.
        """
        value: Tensor | None = getattr(self, name, None)
        if value is None:
            raise ValueError(
                f"Expected `{name}` in the bank, but got none. Try: name it in `requires`"
            )
        return value

    def neighbours(self, neighbours: int, space: str = "z") -> NeighbourGraph:
        """The nearest neighbours of each sample, itself excluded; searched once and shared.

        Args:
            neighbours: K; at most N - 1 are found.
            space: ``z`` or ``features``.

        Returns:
            The graph, K nearest first.
        """
        known = self.graphs.get(space)
        reachable = min(neighbours, len(self) - 1)
        if known is None or known.index.shape[1] < reachable:
            known = self.graphs[space] = self._search(self.need(space), neighbours)
        return NeighbourGraph(known.index[:, :neighbours], known.similarity[:, :neighbours])

    def _search(self, z: Tensor, neighbours: int) -> NeighbourGraph:
        if self.search == "faiss":
            from supcon_ext.selectors.approximate import approximate_neighbours

            return approximate_neighbours(z, min(neighbours, len(z) - 1))
        found = nearest_neighbours(z.to(self.device), neighbours)
        return NeighbourGraph(found.index.to(z.device), found.similarity.to(z.device))

    def take(self, rows: Tensor) -> SampleBank:
        """The bank of some samples only, numbered anew.

        Args:
            rows: ``(n,)`` int64 positions, real ones before synthetic ones.
        """
        parts: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[rows]
            for name in ("features", "z", "logits", "loss", "peer_logits", "truth")
        }
        return SampleBank(
            index=torch.arange(len(rows)),
            label=self.label[rows],
            classes=self.classes,
            real=None if self.real is None else int((rows < self.real).sum()),
            columns={name: column[rows] for name, column in self.columns.items()},
            device=self.device,
            search=self.search,
            **parts,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selector believes of every training sample, in data set order.

    Attributes:
        trust: ``(N,)`` float32 in [0, 1].
        label: ``(N,)`` int64 working label, given or corrected.
        role: ``(N,)`` int8, a :class:`Role`.
        stats: Thresholds, counts, mixture parameters: logged with the epoch.
        score: ``(N,)`` float32, finite; the larger, the more a sample is believed. What is ranked,
            balanced over classes and drawn as a histogram; None where trust itself is the score.
        posterior: ``(N, C)`` float32 P(true class), rows summing to 1 (0 for unknown), or None.
    """

    trust: Tensor
    label: Tensor
    role: Tensor
    stats: Mapping[str, float] = field(default_factory=dict)
    score: Tensor | None = None
    posterior: Tensor | None = None

    @staticmethod
    def of(
        label: Tensor,
        trust: Tensor,
        stats: Mapping[str, float] | None = None,
        score: Tensor | None = None,
        posterior: Tensor | None = None,
    ) -> Selection:
        """A selection in which every sample stays labelled.

        Args:
            label: ``(N,)`` integers.
            trust: ``(N,)`` in [0, 1]; truth values serve.
            stats: See :class:`Selection`, as the others.
            score: ``(N,)`` floats.
            posterior: ``(N, C)`` floats.

        Raises:
            ValueError: Shapes or types do not fit.
        """
        if not isinstance(label, Tensor) or label.ndim != 1:
            raise ValueError(
                f"Expected a tensor (N,) as argument `label`, but got {shown(label)}. "
                "Try: bank.label"
            )
        trust = fractions("trust", trust, label).float()
        if posterior is not None and (
            not isinstance(posterior, Tensor) or posterior.ndim != 2 or len(posterior) != len(label)
        ):
            raise ValueError(
                f"Expected `posterior` of shape ({len(label)}, C), but got {shown(posterior)}. "
                "Try: logits.softmax(1)"
            )
        score = None if score is None else fractions("score", score, label).float()
        role = torch.zeros(len(label), dtype=torch.int8)
        label = integers("label", label, label)
        return Selection(trust, label, role, dict(stats or {}), score, posterior)

    @property
    def ranking(self) -> Tensor:
        """``(N,)`` the score, or trust where there is none."""
        return self.trust if self.score is None else self.score


class PositiveSelector(ABC):
    """Decides which pairs are positives.

    Attributes:
        requires: What :meth:`refresh` needs of the bank: any of ``features``, ``z``, ``logits``,
            ``loss``, ``peer_logits``, ``truth``. Only what some part requires is computed. Truth is
            for the oracle, which says so in its name.
        provides: What its selections hold beyond trust and label: ``posterior``.
        ignores: Whether it takes pairs out of the denominator, by a method
            ``neutral(pairs) -> (A, K) bool``; asked of a term's own selector alone.
    """

    requires: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()
    ignores: bool = False

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """Look at the whole training set, once at the start of an epoch.

        Args:
            bank: What is known of every sample.
            epoch: Epochs of the stage that are done, from 0.

        Returns:
            What to believe from here on; None changes nothing.
        """
        return None

    @abstractmethod
    def targets(self, pairs: PairTile) -> Tensor:
        """How much each contrast is a positive of each anchor.

        Must not depend on which tile of the pair matrix it is asked about, and must answer the same
        when asked again. Pairs of a view with itself are removed for you.

        Args:
            pairs: A tile of A anchors and K contrasts.

        Returns:
            ``(A, K)`` floats >= 0, or bool.
        """

    def factors(self, views: Rows) -> Factors | None:
        """The targets told by vectors, where they follow from what is known of each view alone.

        With factors the loss asks nothing pair by pair, which is several times as fast. Both ways
        must agree.

        Args:
            views: N rows: anchors and contrasts.

        Returns:
            Their vectors; None where this selector cannot.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on: tensors, numbers, strings, lists and dicts of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            ValueError: The state is not this selector's.
        """
        if state:
            raise ValueError(
                f"Expected an empty state for selector {type(self).__name__}, which keeps none, "
                f"but got keys {sorted(state)}"
            )


class SampleSelector(PositiveSelector):
    """Decides whom to believe; positives then share the label and are both believed.

    The views of one sample are always positives, so that a sample which nobody believes still
    teaches by instance discrimination. A subclass has :meth:`select` to write, and ``requires``.
    """

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        """:meth:`select`."""
        return self.select(bank, epoch)

    @abstractmethod
    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Whom to believe, once an epoch over the whole training set.

        Args:
            bank: What is known of every sample.
            epoch: Epochs of the stage that are done, from 0.
        """

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool: the same label and both trusted above 0.5, or the same sample."""
        trusted = (pairs.anchors.trust > 0.5)[:, None] & (pairs.contrasts.trust > 0.5)[None, :]
        return (pairs.same("label") & trusted) | pairs.same("index")

    def factors(self, views: Rows) -> Factors:
        """The label where it is trusted, else the sample."""
        label = torch.where(views.trust > 0.5, views.label, -1)
        return Factors(label_code(replace(views, label=label)))


selector = Registry[PositiveSelector]("selector", "supcon_ext.selectors")

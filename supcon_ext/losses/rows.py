"""What a pair rule may look at: rows of embeddings, and one tile of pairs of them.

Shape letters: N rows, A anchors, K contrasts, D embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from supcon_ext.losses.arguments import fractions, integers, shown

FIELDS = ("label", "index", "uid", "source", "trust")


class MissingColumn(ValueError):
    """A column that rows do not have.

    Args:
        name: Of the column.
        there: Those that they have.
    """

    def __init__(self, name: str, there: Sequence[str]) -> None:
        super().__init__(
            f"Expected a column of the rows, but got `{name}`. There are: {', '.join(there)}"
        )
        self.name = name


class Source(IntEnum):
    """Where a row comes from (values of ``Rows.source``)."""

    REAL = 0
    SYNTHETIC = 1
    QUEUE = 2
    PROTOTYPE = 3


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of embeddings and all that may be known of each.

    Attributes:
        z: ``(N, D)`` embeddings of unit norm (the loss normalises them where asked to).
        label: ``(N,)`` int64 working label, given or corrected; -1 is unknown and equals nothing.
        index: ``(N,)`` int64 sample; the views of one image share it; -1 for a row that is no
            sample (a prototype).
        uid: ``(N,)`` int64, unique across processes; equal uid is a row's pair with itself.
        source: ``(N,)`` int8, a :class:`Source`.
        trust: ``(N,)`` float32 in [0, 1], how far the working label is believed.
        columns: Further columns of N rows each (``caption``, ``parent``, a column of a manifest).
    """

    z: Tensor
    label: Tensor
    index: Tensor
    uid: Tensor
    source: Tensor
    trust: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def of(
        z: Tensor,
        label: Any = None,
        *,
        index: Any = None,
        uid: Any = None,
        source: Source = Source.REAL,
        trust: Any = None,
        columns: Mapping[str, Tensor] | None = None,
    ) -> Rows:
        """Rows with the usual answers filled in: each row its own sample, real, trusted.

        Args:
            z: ``(N, D)`` embeddings.
            label: ``(N,)`` integers, a tensor, a list or a numpy array, as the others below; None
                makes every label unknown (-1).
            index: ``(N,)`` integers; None numbers the rows.
            uid: ``(N,)`` integers; None numbers the rows.
            source: One :class:`Source` for all rows.
            trust: ``(N,)`` floats in [0, 1]; None is 1 for all.
            columns: Further columns, tensors of N rows.

        Raises:
            ValueError: Shapes, types or devices do not fit.
        """
        if not isinstance(z, Tensor) or z.ndim != 2 or not z.is_floating_point():
            raise ValueError(
                f"Expected a tensor of floats (N, D) as argument `z`, but got {shown(z)}. "
                "Try: z.flatten(1).float()"
            )
        if not isinstance(source, int) or source not in set(Source):
            raise ValueError(
                f"Expected one `Source` as argument `source`, but got {shown(source)}. "
                "Try: Source.QUEUE"
            )
        count, device = z.shape[0], z.device
        numbers, ones = torch.arange(count, device=device), torch.ones(count, device=device)
        for name, column in (columns or {}).items():
            if not isinstance(column, Tensor) or len(column.shape) < 1 or len(column) != count:
                raise ValueError(
                    f"Expected a tensor of {count} rows as column `{name}` of `columns`, but got "
                    f"{shown(column)}. Try: torch.as_tensor(...)"
                )
        return Rows(
            z=z,
            label=torch.full_like(numbers, -1) if label is None else integers("label", label, z),
            index=numbers if index is None else integers("index", index, z),
            uid=numbers if uid is None else integers("uid", uid, z),
            source=torch.full((count,), int(source), dtype=torch.int8, device=device),
            trust=ones if trust is None else fractions("trust", trust, z).float(),
            columns=dict(columns or {}),
        )

    def __len__(self) -> int:
        return self.z.shape[0]

    def column(self, name: str) -> Tensor:
        """The column called ``name``: one of the fixed ones, or one of ``columns``.

        Raises:
            MissingColumn: There is no such column.
        """
        if name in FIELDS:
            column: Tensor = getattr(self, name)
            return column
        if name not in self.columns:
            raise MissingColumn(name, (*FIELDS, *self.columns))
        return self.columns[name]

    def rows(self, rows: slice | Tensor) -> Rows:
        """Some of the rows (a slice, positions, or a mask)."""
        return Rows(
            self.z[rows],
            self.label[rows],
            self.index[rows],
            self.uid[rows],
            self.source[rows],
            self.trust[rows],
            {name: column[rows] for name, column in self.columns.items()},
        )

    def with_z(self, z: Tensor) -> Rows:
        """The same rows with other embeddings."""
        return replace(self, z=z)

    def detached(self) -> Rows:
        """The same rows with embeddings that pass no gradient."""
        return self.with_z(self.z.detach())

    @staticmethod
    def cat(parts: list[Rows]) -> Rows:
        """Rows one after the other, with the columns of all parts.

        A row of a part without a column does not know it: -1 in a column of integers, NaN in one of
        floats, False in one of truth values.

        Raises:
            ValueError: There is no part, or embeddings differ in length.
        """
        if len({part.z.shape[1] for part in parts}) != 1:
            got = ", ".join(shown(part.z) for part in parts) or "no part"
            raise ValueError(
                f"Expected `parts` of rows with embeddings of one length, but got {got}. "
                "Try: one network for all"
            )
        having = {name: part.columns[name] for part in parts for name in part.columns}
        columns = {
            name: torch.cat([part.columns.get(name, unknown(like, len(part))) for part in parts])
            for name, like in having.items()
        }
        fixed = {name: torch.cat([part.column(name) for part in parts]) for name in FIELDS}
        return Rows(z=torch.cat([part.z for part in parts]), **fixed, columns=columns)


def unknown(like: Tensor, count: int) -> Tensor:
    """A column of so many rows whose values are not known, of the kind of another column."""
    empty = float("nan") if like.is_floating_point() else -1 if like.dtype != torch.bool else False
    return like.new_full((count, *like.shape[1:]), empty)


@dataclass(frozen=True, slots=True)
class PairTile:
    """One tile of the matrix of pairs, whatever the tile's size.

    Attributes:
        anchors: The tile's A rows.
        contrasts: The tile's K columns.
        similarity_AK: ``(A, K)`` cosine similarity, without gradient.
    """

    anchors: Rows
    contrasts: Rows
    similarity_AK: Tensor

    def __post_init__(self) -> None:
        shape = (len(self.anchors), len(self.contrasts))
        if self.similarity_AK.shape != shape:
            raise ValueError(
                f"Expected `similarity_AK` of shape {shape} (anchors, contrasts), but got "
                f"{shown(self.similarity_AK)}. Try: anchors.z @ contrasts.z.T"
            )

    def same(self, name: str = "label") -> Tensor:
        """``(A, K)`` bool: both have the same value in this column, and it is known.

        In an integer column -1 is unknown and equals nothing.
        """
        anchor, contrast = self.anchors.column(name), self.contrasts.column(name)
        same = anchor[:, None] == contrast[None, :]
        if anchor.dtype.is_floating_point or anchor.dtype == torch.bool:
            return same
        return same & (anchor != -1)[:, None]

    def itself(self) -> Tensor:
        """``(A, K)`` bool: the pair of a row with itself."""
        return self.anchors.uid[:, None] == self.contrasts.uid[None, :]

    def own_views(self) -> Tensor:
        """``(A, K)`` bool: views of the anchor's sample, but no older key of it in a queue."""
        return self.same("index") & (self.contrasts.source != int(Source.QUEUE))[None, :]


class WeightPlan(NamedTuple):
    """What a weighting says, in vectors; None leaves the default.

    Attributes:
        anchor: ``(A,)`` u_i >= 0, how much an anchor weighs in the batch. Default 1.
        log_column: ``(K,)`` log w of a contrast; ``-inf`` leaves it out of every denominator.
            Default 0.
        log_same: ``(A,)`` finite, added to the log weight where anchor and contrast share the
            label. Default 0.
        temperature: ``(A,)`` > 0, a temperature of its own for each anchor. Default: the loss's.
        group: ``(K,)`` int64, what ``log_same`` compares in place of the label, -1 for none; the
            first A contrasts are the anchors.
        target_own: ``(A,)`` >= 0, factor on the targets of an anchor's own other views of this step
            (older keys of its sample in a queue are not meant). Default 1.
        target_column: ``(K,)`` >= 0, factor on the targets of a contrast. Default 1.
        table: ``(K, C)`` rows and ``(K, C)`` columns >= 0 whose product is a further factor on w:
            soft class membership; the first A rows are the anchors'.
    """

    anchor: Tensor | None = None
    log_column: Tensor | None = None
    log_same: Tensor | None = None
    temperature: Tensor | None = None
    group: Tensor | None = None
    target_own: Tensor | None = None
    target_column: Tensor | None = None
    table: tuple[Tensor, Tensor] | None = None


class PairRule(Protocol):
    """What the loss asks of a positive selector."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` targets t_ia >= 0, or bool."""
        ...


@dataclass(frozen=True, slots=True)
class WeightingStep:
    """What a weighting may know of one call of the loss. It is handed over, never kept.

    Attributes:
        rows: ``(N,)`` rows of the batch, of all processes, as the loss compares them.
        temperature: tau of the loss.
        class_vectors: ``(C, F)`` the classifier's weights, with gradient; None where there is none.
        counts: ``(C,)`` int64 training samples of each working label that are trusted: the given
            counts until something selects. None outside of training.
        epoch: Epochs of the stage that are done.
        progress: Share of the stage that is done, in [0, 1).
        generator: For random draws; kept in the checkpoint. None outside of training.
    """

    rows: Rows
    temperature: float
    class_vectors: Tensor | None = None
    counts: Tensor | None = None
    epoch: int = 0
    progress: float = 0.0
    generator: torch.Generator | None = None


class PairWeights(Protocol):
    """What the loss asks of a weighting."""

    def observe(self, step: WeightingStep) -> None:
        """Look at a batch in training, before the other two; state changes here alone."""
        return None

    def columns(self, step: WeightingStep) -> Rows | None:
        """Extra contrasts for this batch (prototypes), or None."""
        return None

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """The weights of these anchors and contrasts."""
        ...

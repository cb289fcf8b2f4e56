"""Mixup targets: an anchor made of two images takes the positives of both, by their shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from supcon_ext.losses.asking import asked_targets
from supcon_ext.losses.rows import PairRule, PairTile, Rows

PREFIX = "mix:"
COUNTS = "mix:counts"


def mixed_rows(views: Rows, partner: Rows, share: Tensor) -> Rows:
    """Views of mixed images, which carry what is known of the partner too.

    Args:
        views: N mixed rows, with what is known of each one's first image.
        partner: N rows with what is known of the second (their ``z`` is not used).
        share: ``(N,)`` share of the first image in [0, 1].
    """
    second: Mapping[str, Tensor] = {
        "label": partner.label,
        "index": partner.index,
        "trust": partner.trust,
        **partner.columns,
    }
    extra = {**views.columns, f"{PREFIX}share": share}
    extra |= {f"{PREFIX}{name}": column for name, column in second.items()}
    return Rows(views.z, views.label, views.index, views.uid, views.source, views.trust, extra)


class MixupRule:
    """The targets ``share t(first) + (1 - share) t(second)`` of a rule (Zhang et al. 2018).

    A contrast that is a positive of the second image in two ways (its view, and its label) counts
    once: the rule's answer is taken as it is, entries are never added up beyond it. Contrasts go by
    their first image.

    With ``apart`` the targets of each image are divided by their sum first, so that an anchor's
    loss is ``share L(first) + (1 - share) L(second)`` whatever the number of positives of the two
    (the code of Sel-CL and MOIT); without, one mean goes over the positives of both.

    Args:
        rule: Whose targets are mixed.
        apart: Normalise the targets of each image by themselves.
    """

    def __init__(self, rule: PairRule, apart: bool = False) -> None:
        self.rule = rule
        self.apart = apart

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` floats; anchors that are not mixed have the rule's own targets.

        Raises:
            ValueError: ``apart``, and the anchors have not been through :meth:`counted`.
        """
        first, second = self._both(pairs)
        if second is None:
            return first
        extra = pairs.anchors.columns
        share = extra[f"{PREFIX}share"].to(first.dtype)[:, None]
        if self.apart:
            if COUNTS not in extra:
                raise ValueError("Expected anchors whose targets were counted, but got others")
            counts = extra[COUNTS].to(first.dtype).clamp(min=torch.finfo(first.dtype).tiny)
            first, second = first / counts[:, :1], second / counts[:, 1:]
        return torch.lerp(second, first, share.expand_as(first))

    @torch.no_grad()
    def counted(self, anchors: Rows, contrasts: Rows, tile: int) -> Rows:
        """Anchors that carry the sums of both images' targets, where ``apart`` needs them.

        Args:
            anchors: A rows.
            contrasts: K rows.
            tile: Rows and columns that are looked at together.
        """
        if not self.apart or f"{PREFIX}share" not in anchors.columns:
            return anchors
        sums = anchors.z.new_zeros(len(anchors), 2)
        for row in range(0, len(anchors), tile):
            some = anchors.rows(slice(row, row + tile))
            for column in range(0, len(contrasts), tile):
                others = contrasts.rows(slice(column, column + tile))
                pairs = PairTile(some, others, some.z @ others.z.T)
                for place, targets in enumerate(self._both(pairs)):
                    if targets is not None:
                        found = targets.masked_fill(pairs.itself(), 0.0).sum(1)
                        sums[row : row + tile, place] += found
        return replace(anchors, columns={**anchors.columns, COUNTS: sums})

    def _both(self, pairs: PairTile) -> tuple[Tensor, Tensor | None]:
        """``(A, K)`` targets of the anchors' first and second images; None without a second."""
        first = asked_targets(self.rule, pairs)
        anchors = pairs.anchors
        if f"{PREFIX}share" not in anchors.columns:
            return first, None
        first = first.to(pairs.similarity_AK.dtype)
        known = {
            name.removeprefix(PREFIX): column
            for name, column in anchors.columns.items()
            if name.startswith(PREFIX) and name != COUNTS
        }
        fixed = {name: known.pop(name) for name in ("label", "index", "trust")}
        other = Rows(z=anchors.z, uid=anchors.uid, source=anchors.source, columns=known, **fixed)
        second = asked_targets(self.rule, PairTile(other, pairs.contrasts, pairs.similarity_AK))
        return first, second.to(first.dtype)

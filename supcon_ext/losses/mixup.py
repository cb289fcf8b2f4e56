"""Mixup targets: an anchor made of two images takes the positives of both, by their shares."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from supcon_ext.losses.asking import asked_targets
from supcon_ext.losses.pairs import PairRule, PairTile, Views

PREFIX = "mix:"


def mixed_views(views: Views, partner: Views, share: Tensor) -> Views:
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
        **partner.extra,
    }
    extra = {**views.extra, f"{PREFIX}share": share}
    extra |= {f"{PREFIX}{name}": column for name, column in second.items()}
    return Views(views.z, views.label, views.index, views.uid, views.source, views.trust, extra)


class MixupRule:
    """The targets ``share t(first) + (1 - share) t(second)`` of a rule (Zhang et al. 2018).

    A contrast that is a positive of the second image in two ways (its view, and its label) counts
    once: the rule's answer is taken as it is, entries are never added up beyond it. Contrasts go by
    their first image.

    Args:
        rule: Whose targets are mixed.
    """

    def __init__(self, rule: PairRule) -> None:
        self.rule = rule

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` floats; anchors that are not mixed have the rule's own targets."""
        first = asked_targets(self.rule, pairs)
        anchors = pairs.anchors
        if f"{PREFIX}share" not in anchors.extra:
            return first
        share = anchors.extra[f"{PREFIX}share"].to(first.dtype)[:, None]
        known = {
            name.removeprefix(PREFIX): column
            for name, column in anchors.extra.items()
            if name.startswith(PREFIX)
        }
        fixed = {name: known.pop(name) for name in ("label", "index", "trust")}
        other = Views(z=anchors.z, uid=anchors.uid, source=anchors.source, extra=known, **fixed)
        second = asked_targets(self.rule, PairTile(other, pairs.contrasts, pairs.similarity_AK))
        return torch.lerp(second, first, share.expand_as(first))

"""Rows of a batch, of features, labels and further contrasts as people have them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from supcon_ext.losses.arguments import embeddings, integers, shown, vector
from supcon_ext.losses.gather import process_rank, world_size
from supcon_ext.losses.mask import MaskRule
from supcon_ext.losses.rows import PairRule, PairTile, Rows


def rows_of(features: Any, labels: Any, rule: PairRule) -> Rows:
    """Rows, view after view, of a batch of features.

    Args:
        features: ``(B, V, D)`` or ``(B, D)`` floats.
        labels: ``(B,)`` or ``(B, 1)`` integers: a tensor, a list or a numpy array; ``(B, C)`` of 0
            and 1 where the rule reads the column ``labels``; None for none.
        rule: Gives the positives.

    Raises:
        ValueError: Shapes, types or devices do not fit, or the rule does not read several labels.
    """
    features = embeddings("features", features, (2, 3), "(samples, views, dim) or (samples, dim)")
    samples, views = features.shape[0], features.shape[1] if features.ndim == 3 else 1
    z = features.transpose(0, 1).reshape(-1, features.shape[2]) if features.ndim == 3 else features
    first = process_rank() << 40  # samples of different processes are different samples
    index = (first + torch.arange(samples, device=features.device)).repeat(views)
    if labels is None:
        return Rows.of(z, None, index=index)
    labels = vector("labels", labels, features)
    if labels.ndim == 2 and labels.shape[0] == samples and labels.shape[1]:
        several = _several(labels, z, index, views)
        if _looks_at_labels(rule, several):
            return several
        if labels.shape[1] > 1:
            raise ValueError(
                f"Expected `labels` of shape ({samples},), since selector {type(rule).__name__} "
                f"reads one label a sample, but got {shown(labels)}. Try: labels.argmax(1), or "
                "selector=supcon_ext.selectors.multilabel.Jaccard() for several labels"
            )
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.shape[0] != samples:
        raise ValueError(
            f"Expected `labels` of shape ({samples},), one for each sample, "
            f"but got {shown(labels)}. Try: a label for each of the {samples} samples"
        )
    return Rows.of(z, integers("labels", labels, features).repeat(views), index=index)


def _several(labels: Tensor, z: Tensor, index: Tensor, views: int) -> Rows:
    return Rows.of(z, None, index=index, columns={"labels": labels.float().repeat(views, 1)})


class _Watched(dict[str, Tensor]):
    """Columns that know whether one of them was looked at."""

    looked = False

    def __getitem__(self, name: str) -> Tensor:
        self.looked = self.looked or name == "labels"
        return super().__getitem__(name)


def _looks_at_labels(rule: PairRule, views: Rows) -> bool:
    """Whether a rule, asked about one pair, reads the column ``labels``."""
    one = views.rows(slice(0, 1)).detached()
    watched = _Watched(one.columns)
    seen = Rows(one.z, one.label, one.index, one.uid, one.source, one.trust, watched)
    rule.targets(PairTile(seen, seen, seen.z @ seen.z.T))
    return watched.looked


def mask_rule(mask: Any, features: Any, labels: Any) -> PairRule:
    """The rule of a mask, ``(B, B)`` by samples or ``(V B, V B)`` by rows.

    Raises:
        ValueError: The mask does not fit, or there are labels, ``Rows`` or processes beside it.
    """
    if isinstance(features, Rows) or labels is not None:
        raise ValueError("Expected `mask` alone, but got labels or `Rows` beside it. Try: one")
    if world_size() > 1:
        raise ValueError(
            "Expected one process with `mask`, but got several. Try: a selector that reads a "
            "column of the views"
        )
    features = embeddings("features", features, (2, 3), "(samples, views, dim) or (samples, dim)")
    samples = features.shape[0]
    rows = samples * (features.shape[1] if features.ndim == 3 else 1)
    mask = vector("mask", mask, features)
    if mask.shape not in ((samples, samples), (rows, rows)) or mask.is_complex():
        raise ValueError(
            f"Expected `mask` of real numbers of shape ({samples}, {samples}) or ({rows}, {rows}), "
            f"but got {shown(mask)}. Try: labels[:, None] == labels[None, :]"
        )
    return MaskRule(mask, "index" if len(mask) == samples else "uid")


def require_extra(extra: Any, views: Rows, name: str = "extra") -> None:
    """Refuse further contrasts, of an argument of this name, that are no rows like the batch's."""
    if not isinstance(extra, Rows):
        raise ValueError(
            f"Expected `Rows` as argument `{name}`, but got {shown(extra)}. "
            "Try: Rows.of(keys, labels, uid=-1 - torch.arange(len(keys)))"
        )
    if extra.z.shape[1:] != views.z.shape[1:] or extra.z.device != views.z.device:
        raise ValueError(
            f"Expected `{name}` with embeddings (K, {views.z.shape[1]}) on {views.z.device}, but "
            f"got {shown(extra.z)} on {extra.z.device}. Try: the network that made the features"
        )


def check_values(
    views: Rows, extra: Rows | None, anchor_weight: Tensor | None, normalize: bool
) -> None:
    """Refuse what only the values tell; on a GPU they are waited for once.

    Raises:
        ValueError: An embedding is not finite, or zero where it is to be normalised; a label is
            below -1; a row of ``extra`` has the ``uid`` of one of the batch; a weight is negative.
    """
    problems = of_rows("features", views, normalize)
    if extra is not None:
        problems += of_rows("extra", extra, normalize)
        expected = "a negative `uid` of every row of `extra`, so that none is one of the batch"
        problems.append((extra.uid >= 0, expected, "uid=-1 - torch.arange(len(keys))"))
    if anchor_weight is not None:
        wrong = ~(anchor_weight.isfinite() & (anchor_weight >= 0))
        problems.append((wrong, "finite `anchor_weight` of at least 0", "0 to leave a row out"))
    refuse_first(problems)


def refuse_first(problems: list[tuple[Tensor, str, str]]) -> None:
    """Refuse rows by the first of some problems that any has.

    Args:
        problems: Which rows have it, ``(N,)`` bool; what was expected; what to try.

    Raises:
        ValueError: There is one.
    """
    counts = torch.stack([wrong.sum() for wrong, _, _ in problems])
    if bool(counts.any()):
        wrong, expected, hint = problems[int(counts.nonzero()[0])]
        raise ValueError(
            f"Expected {expected}, but {int(wrong.sum())} of {len(wrong)} rows are otherwise. "
            f"Try: {hint}"
        )


def of_rows(name: str, views: Rows, normalize: bool) -> list[tuple[Tensor, str, str]]:
    """Problems of an argument's rows, for :func:`refuse_first`."""
    z = views.z.detach()
    norm = torch.linalg.vector_norm(z if z.dtype == torch.float64 else z.float(), dim=1)
    bad = ~norm.isfinite() | (norm == 0) if normalize else ~norm.isfinite()
    zero = " without zero vectors" if normalize else ""
    return [
        (bad, f"finite `{name}`{zero}", "a look at what made them"),
        (views.label < -1, f"labels of at least -1 (unknown) of `{name}`", "labels from 0"),
    ]

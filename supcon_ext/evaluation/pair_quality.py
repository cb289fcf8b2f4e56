"""What the positive pairs of a selection are worth, on a sample of the training set.

Pairs of two different samples count; the views of one sample are positives anyway. A soft target
counts by its amount, at most 1.

Shape letters: A sampled samples, N training samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from data_tools.randomness import keyed_generator
from supcon_ext.evaluation.selection_quality import BoolArray, IntArray, is_right
from supcon_ext.losses.asking import asked_targets
from supcon_ext.losses.factors import factors_of, targets_of
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection

FloatArray = npt.NDArray[np.floating[Any]]

SAMPLED = 1024


def sample_rows(usable: BoolArray, seed: int, size: int = SAMPLED) -> IntArray:
    """Positions of at most so many of the usable samples, drawn evenly, ascending.

    Args:
        usable: ``(N,)`` bool.
        seed: Of the draw; the same seed and the same usable samples give the same sample.
        size: At most this many.
    """
    rows = np.flatnonzero(usable)
    if len(rows) > size:
        draw = keyed_generator(seed, 0x9A125)
        rows = np.sort(draw.choice(rows, size, replace=False))
    return rows.astype(np.int64)


@torch.no_grad()
def sampled_targets(
    selector: PositiveSelector, bank: SampleBank, selection: Selection, rows: IntArray
) -> FloatArray | None:
    """The selector's targets among some samples, one view each.

    Args:
        selector: After its refresh.
        bank: What the selection was made from.
        selection: What the views carry: working label, trust, posterior.
        rows: ``(A,)`` positions.

    Returns:
        ``(A, A)`` float in [0, 1]. None where the selector may look at similarities, which the bank
        does not hold.
    """
    device, at = bank.device, torch.from_numpy(rows)
    known = bank.z is not None
    z = bank.z[at] if bank.z is not None else torch.zeros(len(at), 1)
    columns = {name: column[at] for name, column in bank.columns.items()}
    if selection.posterior is not None:
        columns["posterior"] = selection.posterior[at]
    views = Rows.of(
        z.to(device),
        selection.label[at].to(device),
        index=at.to(device),
        trust=selection.trust[at].to(device),
        columns={name: column.to(device) for name, column in columns.items()},
    )
    similarity = views.z @ views.z.T
    if known:
        targets = asked_targets(selector, PairTile(views, views, similarity))
    else:
        factors = factors_of(selector, views)
        if factors is None or factors.threshold is not None:
            return None
        targets = targets_of(factors, factors, similarity)
    found: FloatArray = targets.float().clamp(max=1).cpu().numpy()
    return found


def pair_counts(targets_AA: FloatArray, samples: int) -> dict[str, float]:
    """How many positives there are, which needs no true labels.

    Args:
        targets_AA: ``(A, A)`` in [0, 1]; the diagonal is not looked at.
        samples: N, of which the A were drawn.

    Returns:
        ``pair_positives``: positives of an anchor in the whole training set, estimated from the
        sample, whole numbers only where A = N; ``pair_lonely``: share of the A anchors that have no
        positive among the others of the sample. Nothing where A < 2.
    """
    count = len(targets_AA)
    if count < 2:
        return {}
    positive = _off_diagonal(targets_AA).sum(1)
    return {
        "pair_positives": float(positive.mean()) * (samples - 1) / (count - 1),
        "pair_lonely": float((positive == 0).mean()),
    }


def pair_quality(
    targets_AA: FloatArray, given: IntArray, working: IntArray, truth: IntArray
) -> dict[str, float]:
    """How well the positive pairs are pairs of one true class.

    Args:
        targets_AA: ``(A, A)`` in [0, 1]; the diagonal is not looked at.
        given: ``(A,)`` int64.
        working: ``(A,)`` int64.
        truth: ``(A,)`` int64; a pair with an open-set sample (-1) is wrong.

    Returns:
        ``pair_precision``: share of the positives whose true classes are equal (Li et al. 2022,
        "Sel-CL", whose pairs may be right though both labels are wrong); ``pair_precision_strict``:
        whose working labels are both right as well; ``pair_recall_given``: share of the pairs with
        one true class and one given label that are positives; ``pair_recall``: of all pairs with
        one true class.
    """
    targets = _off_diagonal(targets_AA)
    other = ~np.eye(len(truth), dtype=bool)
    similar = (truth[:, None] == truth[None, :]) & (truth >= 0)[:, None] & other
    right = is_right(working, truth)
    strict = similar & right[:, None] & right[None, :]
    sharing = similar & (given[:, None] == given[None, :])
    positives = float(targets.sum())
    found: dict[str, float] = {}
    if positives > 0:
        found["pair_precision"] = float(targets[similar].sum()) / positives
        found["pair_precision_strict"] = float(targets[strict].sum()) / positives
    for name, pairs in (("pair_recall_given", sharing), ("pair_recall", similar)):
        if pairs.any():
            found[name] = float(targets[pairs].mean())
    return found


def _off_diagonal(targets_AA: FloatArray) -> npt.NDArray[np.float64]:
    """A copy in float64 with a zero diagonal."""
    targets = np.array(targets_AA, dtype=np.float64)
    np.fill_diagonal(targets, 0.0)
    return targets

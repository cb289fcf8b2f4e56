"""To cleanlab and back: neighbour graphs and scores out, found issues in.

In cleanlab True marks an *issue* and a score near 0 a bad label; here trust near 1 is *kept*. Both
ways are turned around in this file and nowhere else. Nothing here imports cleanlab; install it with
``pip install "supcon-ext[cleanlab]"``.

Letters: N samples, K neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcon_ext.audit.suspicion import Verdict
from supcon_ext.selectors.base import Selection
from supcon_ext.selectors.neighbours import NeighbourGraph

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

KEPT = 0.5


def knn_graph_csr(graph: NeighbourGraph) -> csr_matrix:
    """A neighbour graph as ``Datalab.find_issues(knn_graph=...)`` takes it.

    Args:
        graph: K nearest neighbours of each of N samples, themselves excluded.

    Returns:
        ``(N, N)`` float64 CSR matrix of cosine distances ``1 - similarity``, at least 0, K entries
        a row, the nearest first. Distances of 0 are entries too.
    """
    from scipy.sparse import csr_matrix

    count, neighbours = graph.index.shape
    distance = (1 - graph.similarity.double()).clamp(min=0).cpu().numpy()
    start = np.arange(0, count * neighbours + 1, neighbours)
    column = graph.index.cpu().numpy()
    return csr_matrix((distance.reshape(-1), column.reshape(-1), start), shape=(count, count))


def selection_from_issues(issues: npt.ArrayLike, label: npt.ArrayLike | Tensor) -> Selection:
    """What cleanlab found, as a selection.

    Args:
        issues: ``(N,)`` bool, True for a label that is wrong, as ``find_label_issues`` and
            Datalab's ``is_label_issue`` have it: trust is 0 there and 1 elsewhere. Or ``(N,)``
            float label quality in [0, 1], as ``get_label_quality_scores`` and ``label_score`` have
            it: trust and score are the quality, and above 0.5 is kept.
        label: ``(N,)`` integer given labels.

    Raises:
        ValueError: ``issues`` is neither (such as indices), of another length than ``label``, or a
            quality is outside [0, 1].
    """
    found = np.asarray(issues)
    given = torch.as_tensor(label if isinstance(label, Tensor) else np.asarray(label))
    if found.shape != tuple(given.shape) or found.ndim != 1:
        raise ValueError(
            f"Expected an entry for each of {len(given)} labels in argument `issues`, but got "
            f"shape {found.shape}. Try: find_label_issues(..., return_indices_ranked_by=None)"
        )
    if found.dtype == np.bool_:
        return Selection.of(given, torch.from_numpy(~found))
    if found.dtype.kind != "f":
        raise ValueError(
            f"Expected bool or float values of argument `issues`, but got {found.dtype}. "
            "Try: find_label_issues(..., return_indices_ranked_by=None)"
        )
    if not bool(((found >= 0) & (found <= 1)).all()):
        raise ValueError(
            f"Expected quality in [0, 1] of argument `issues`, but got {found.min()} to "
            f"{found.max()}. Try: cleanlab.rank.get_label_quality_scores"
        )
    quality = torch.from_numpy(found.astype(np.float32))
    return Selection.of(given, quality, score=quality)


def scores_for_datalab(believed: Selection | Verdict) -> pd.DataFrame:
    """A selection or an audit in the form of Datalab's issues: ``lab.get_issues().join(...)``.

    Args:
        believed: Of N samples, in the order of the data set.

    Returns:
        N rows, numbered from 0: ``is_trust_issue``, True where the label is not believed, and
        ``trust_score`` in [0, 1], the lower the worse. A selection's score with values outside
        [0, 1] is stretched to fill it; equal scores become 1.
    """
    import pandas as pd

    if isinstance(believed, Verdict):
        issue, score = believed.flagged, 1 - believed.suspicion
    else:
        issue, score = believed.trust <= KEPT, _in_unit(believed.ranking.double())
    return pd.DataFrame({"is_trust_issue": issue.cpu().numpy(), "trust_score": score.cpu().numpy()})


def _in_unit(score: Tensor) -> Tensor:
    if len(score) == 0:
        return score
    low, high = score.min(), score.max()
    if 0 <= float(low) and float(high) <= 1:
        return score
    return torch.ones_like(score) if bool(low == high) else (score - low) / (high - low)

"""Both ways between cleanlab and this package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from supcon_ext.audit.suspicion import suspect
from supcon_ext.interop.cleanlab import knn_graph_csr, scores_for_datalab, selection_from_issues
from supcon_ext.selectors.base import Selection
from supcon_ext.selectors.neighbours import nearest_neighbours


def blobs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """60 points about 3 directions, 6 of them labelled wrong: points, labels, which are wrong."""
    random = np.random.default_rng(0)
    true = np.repeat(np.arange(3), 20)
    points = np.eye(3)[true] + random.normal(0, 0.1, (60, 3))
    wrong = np.zeros(60, bool)
    wrong[[0, 1, 20, 21, 40, 41]] = True
    label = np.where(wrong, (true + 1) % 3, true)
    return torch.from_numpy(points).float(), torch.from_numpy(label), torch.from_numpy(wrong)


def test_the_graph_is_scikit_learns() -> None:
    points, _, _ = blobs()
    made = knn_graph_csr(nearest_neighbours(points, 7))
    fitted = NearestNeighbors(n_neighbors=7, metric="cosine").fit(points.numpy())
    wanted = fitted.kneighbors_graph(mode="distance")
    assert made.shape == (60, 60) and made.nnz == 420
    np.testing.assert_allclose(made.toarray(), wanted.toarray(), atol=1e-6)
    rows = made.data.reshape(60, 7)
    assert (np.diff(rows, axis=1) >= 0).all()
    assert (made.indices.reshape(60, 7) != np.arange(60)[:, None]).all()


def test_duplicates_keep_their_entries() -> None:
    made = knn_graph_csr(nearest_neighbours(torch.ones(4, 2), 2))
    assert made.nnz == 8 and (made.data >= 0).all() and made.data.max() < 1e-6


def test_an_issue_is_what_is_not_kept() -> None:
    label = torch.tensor([2, 0, 1])
    mask = selection_from_issues(np.array([True, False, False]), label)
    assert mask.trust.tolist() == [0, 1, 1] and torch.equal(mask.label, label)
    quality = selection_from_issues(np.array([0.1, 0.9, 0.5]), label.numpy())
    assert (quality.trust > 0.5).tolist() == [False, True, False]
    assert torch.equal(quality.ranking, torch.tensor([0.1, 0.9, 0.5]))


@pytest.mark.parametrize(
    ("issues", "message"),
    [
        (np.array([2, 0]), "return_indices_ranked_by=None"),
        (np.array([2, 0, 1]), "bool or float"),
        (np.array([2.0, 0.0, 1.0]), r"in \[0, 1\]"),
        (np.array([np.nan, 0.0, 1.0]), r"in \[0, 1\]"),
    ],
    ids=["indices", "integers", "out of range", "nan"],
)
def test_what_is_no_mask_and_no_quality(issues: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        selection_from_issues(issues, np.array([0, 1, 2]))


def test_scores_go_out_with_true_for_an_issue() -> None:
    trust = torch.tensor([1.0, 0.0, 1.0])
    frame = scores_for_datalab(
        Selection.of(torch.zeros(3).long(), trust, score=torch.tensor([4.0, -1.0, 1.5]))
    )
    assert frame["is_trust_issue"].tolist() == [False, True, False]
    assert frame["trust_score"].tolist() == [1.0, 0.0, 0.5]
    back = selection_from_issues(frame["is_trust_issue"].to_numpy(), torch.zeros(3).long())
    assert torch.equal(back.trust, trust)
    constant = scores_for_datalab(
        Selection.of(torch.zeros(2).long(), torch.ones(2), score=torch.full((2,), 7.0))
    )
    assert constant["trust_score"].tolist() == [1.0, 1.0]


def test_cleanlab_finds_them_and_we_believe_it() -> None:
    rank = pytest.importorskip("cleanlab.rank")
    filters = pytest.importorskip("cleanlab.filter")
    points, label, wrong = blobs()
    probabilities = (points * 5).softmax(1).numpy()
    mask = filters.find_label_issues(label.numpy(), probabilities)
    selection = selection_from_issues(mask, label)
    assert torch.equal(selection.trust < 0.5, wrong)
    quality = rank.get_label_quality_scores(label.numpy(), probabilities)
    found = selection_from_issues(quality, label)
    assert set(found.ranking.argsort()[:6].tolist()) == set(wrong.nonzero()[:, 0].tolist())


def test_datalab_takes_the_graph_and_the_scores() -> None:
    pytest.importorskip("datasets")
    cleanlab = pytest.importorskip("cleanlab")
    points, label, wrong = blobs()
    graph = nearest_neighbours(points, 10)
    kinds = {"outlier": {}, "near_duplicate": {}}
    lab = cleanlab.Datalab({"y": label.numpy()}, label_name="y", verbosity=0)
    lab.find_issues(knn_graph=knn_graph_csr(graph), issue_types=kinds)
    own = cleanlab.Datalab({"y": label.numpy()}, label_name="y", verbosity=0)
    kinds = {kind: {"metric": "cosine", "k": 10} for kind in kinds}
    own.find_issues(features=points.double().numpy(), issue_types=kinds)
    found, wanted = lab.get_issues(), own.get_issues()
    for column in ("outlier_score", "near_duplicate_score"):
        np.testing.assert_allclose(found[column], wanted[column], atol=1e-3)
    joined = found.join(scores_for_datalab(suspect(graph, label, 3)))
    assert joined["is_trust_issue"].tolist() == wrong.tolist()
    assert joined["trust_score"].between(0, 1).all()

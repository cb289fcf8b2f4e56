import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional as F

from supcon_ext.evaluation.knn import KNN, knn_probabilities
from tests.evaluation.toy import blob_input, blobs


def unit(features):
    return F.normalize(torch.as_tensor(features, dtype=torch.float32), dim=1)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.5), (90, 0.07)])
def test_equals_sklearn_with_the_same_weights(k, temperature):
    x, label = blobs(90, classes=4, spread=1.5)
    query, _ = blobs(40, classes=4, spread=1.5, seed=1)
    theirs = KNeighborsClassifier(
        k,
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp((1 - distance) / temperature),
    ).fit(x, label)
    ours = knn_probabilities(unit(x), torch.tensor(label), unit(query), 4, k, temperature)
    assert np.abs(ours.numpy() - theirs.predict_proba(query)).max() < 1e-5


def test_vote_by_hand():
    angle = torch.tensor([0.0, 0.5, 1.0])
    reference = torch.stack([angle.cos(), angle.sin()], 1)
    found = knn_probabilities(
        reference, torch.tensor([2, 0, 2]), torch.tensor([[1.0, 0.0]]), 3, 2, 0.5
    )
    a, b = np.exp(1 / 0.5), np.exp(np.cos(0.5) / 0.5)
    assert found[0].tolist() == pytest.approx([b / (a + b), 0, a / (a + b)], abs=1e-6)


def test_a_tied_vote_goes_to_the_lowest_class():
    reference = torch.eye(4)
    query = F.normalize(torch.ones(1, 4), dim=1)
    found = knn_probabilities(reference, torch.tensor([3, 1, 3, 1]), query, 4, 4, 0.07)
    assert found[0].tolist() == [0, 0.5, 0, 0.5]
    assert int(found.argmax(1)) == 1


@pytest.mark.parametrize("k", [1, 2, 3])
def test_of_equally_similar_samples_the_first_are_neighbours(k):
    reference = torch.eye(1, 2).repeat(500, 1)
    label = torch.arange(500)
    found = knn_probabilities(reference, label, torch.eye(1, 2), 500, k, 0.07)
    assert found[0].nonzero().flatten().tolist() == list(range(k))


def test_ties_at_the_border_keep_what_is_nearer():
    reference = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = knn_probabilities(reference, torch.arange(4), torch.tensor([[1.0, 0.0]]), 4, 2, 1.0)
    assert found[0].nonzero().flatten().tolist() == [0, 2]


def test_classes_come_from_training_labels():
    x, label = blobs(60)
    only_zero = unit(x)[torch.tensor(label) == 0]
    found = knn_probabilities(unit(x), torch.tensor(label), only_zero, 3, 5, 0.07)
    assert found.shape == (len(only_zero), 3)
    assert (found.argmax(1) == 0).all()
    assert knn_probabilities(unit(x), torch.tensor(label), only_zero, 7, 5, 0.07).shape[1] == 7


def test_more_neighbours_than_samples_are_capped_and_logged(caplog):
    x, label = blobs(12)
    args = unit(x), torch.tensor(label), unit(x), 3
    assert torch.equal(knn_probabilities(*args, 50, 0.07), knn_probabilities(*args, 12, 0.07))
    assert "capped at the 12 training samples" in caplog.text


@pytest.mark.parametrize("chunk", [1, 3, 7, 1000])
def test_chunk_size_does_not_matter(chunk):
    x, label = blobs(80, spread=1.0)
    query, _ = blobs(33, spread=1.0, seed=1)
    args = unit(x), torch.tensor(label), unit(query), 3, 7, 0.07
    assert torch.allclose(knn_probabilities(*args), knn_probabilities(*args, chunk), atol=1e-5)


def test_memory_is_bounded(monkeypatch):
    """No block of similarities is larger than allowed, whatever the number of queries."""
    from supcon_ext.evaluation import knn

    seen = []
    nearest = knn._nearest

    def spy(query, reference, k):
        seen.append(len(query) * len(reference) * 4)
        return nearest(query, reference, k)

    monkeypatch.setattr(knn, "_nearest", spy)
    monkeypatch.setattr(knn, "BLOCK_BYTES", 1000)
    x, label = blobs(100)
    whole = knn_probabilities(unit(x), torch.tensor(label), unit(x), 3, 5, 0.07)
    assert whole.shape == (100, 3)
    assert len(seen) == 50
    assert max(seen) <= 1000


def test_small_temperatures_do_not_overflow():
    x, label = blobs(30)
    found = knn_probabilities(unit(x), torch.tensor(label), unit(x), 3, 5, 1e-4)
    assert torch.allclose(found.sum(1), torch.ones(30))


def test_evaluator_on_separable_classes():
    data = blob_input()
    report = KNN(k=5).evaluate(data, "test")
    assert report.metrics["accuracy"] > 0.95
    assert "ece" not in report.metrics and "nll" not in report.metrics
    again = KNN(k=5).evaluate(blob_input(), "test")
    assert torch.equal(
        again.predictions["test"].probabilities, report.predictions["test"].probabilities
    )


def test_space_says_which_vectors():
    data = blob_input()
    data.test.z.copy_(data.test.z.roll(1, 0))
    assert KNN(space="features").evaluate(data, "test").metrics["accuracy"] > 0.95
    assert KNN(space="projection").evaluate(data, "test").metrics["accuracy"] < 0.7
    with pytest.raises(ValueError, match="`space`"):
        KNN(space="logits").evaluate(data, "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "`k`"),
        ({"temperature": 0.0}, "`temperature`"),
        ({"chunk": 0}, "`chunk`"),
        ({"classes": 2}, "`train_label`"),
        ({"train_features": torch.empty(0, 2), "train_label": torch.empty(0)}, "`train_features`"),
    ],
)
def test_nonsense_is_refused(change, message):
    args = {
        "train_features": torch.eye(2),
        "train_label": torch.tensor([0, 2]),
        "query": torch.eye(2),
        "classes": 3,
        "k": 1,
        "temperature": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        knn_probabilities(**(args | change))

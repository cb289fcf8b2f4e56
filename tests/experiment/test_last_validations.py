import pytest

from supcon_ext.experiment.last_validations import last_validations


def test_means_over_the_last_ten() -> None:
    metrics = {
        "validation/knn/accuracy": [(step, step / 100) for step in range(25)],
        "train/loss": [(0, 7.0)],
        "last/validation/knn/accuracy": [(25, 1.0)],
    }
    assert last_validations(metrics) == {"validations": 10, "knn/accuracy": pytest.approx(0.195)}
    assert last_validations(metrics, 2)["knn/accuracy"] == pytest.approx(0.235)


def test_fewer_are_all_taken() -> None:
    metrics = {"validation/knn/accuracy": [(5, 0.5), (9, 0.75)], "validation/knn/none": []}
    assert last_validations(metrics) == {"validations": 2, "knn/accuracy": 0.625}
    assert last_validations({"train/loss": [(0, 7.0)]}) == {}
    with pytest.raises(ValueError, match="`count`, but got 0"):
        last_validations(metrics, 0)

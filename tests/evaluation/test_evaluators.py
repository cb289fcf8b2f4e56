"""What holds for every registered evaluator, and for those without a file of their own."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn import functional as F

from data_tools.samples import SampleSet
from data_tools.vector_rows import VectorRows
from supcon_ext.evaluation.base import Embedded, EvaluationInput, evaluator
from supcon_ext.evaluation.calibration import Calibration
from supcon_ext.evaluation.classifier import Classifier
from supcon_ext.evaluation.embedding import Embedding, alignment, uniformity
from supcon_ext.evaluation.knn import KNN
from supcon_ext.evaluation.linear_probe import LinearProbe
from supcon_ext.evaluation.metrics import scores
from supcon_ext.evaluation.predictor import Predictor
from tests.evaluation.toy import blob_input, embedded, with_encoder

KINDS = [
    "calibration",
    "classifier",
    "embedding",
    "fine_tune",
    "knn",
    "linear_probe",
    "ni_erm",
    "wann",
]


def with_logits(data: EvaluationInput) -> EvaluationInput:
    weight = torch.linspace(-1, 1, 15).reshape(5, 3)
    parts = {
        name: replace(getattr(data, name), logits=getattr(data, name).features @ weight)
        for name in ("train", "validation", "test")
    }
    return replace(data, **parts)


def whole(data: EvaluationInput) -> EvaluationInput:
    """With logits, and with the encoder and the samples themselves."""
    return with_encoder(with_logits(data))


def test_every_kind_is_registered():
    assert evaluator.names() == KINDS
    assert all(entry.summary for entry in evaluator)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_reports_are_whole_and_repeatable(kind, split, tmp_path):
    part = evaluator.spec(kind).build()
    data = whole(blob_input())
    report = part.evaluate(data, split)
    assert report.metrics and all(value == value for value in report.metrics.values())
    assert set(report.predictions) <= {split}
    for name, draw in report.figures.items():
        path = tmp_path / "deeper" / f"{name}.png"
        draw(path)
        assert path.read_bytes().startswith(b"\x89PNG")
    for rows in report.tables.values():
        assert len({tuple(row) for row in rows}) == 1
    assert evaluator.spec(kind).build().evaluate(data, split).metrics == report.metrics


@pytest.mark.parametrize("kind", KINDS)
def test_validation_scores_do_not_depend_on_the_test_split(kind):
    part = evaluator.spec(kind).build()
    data = whole(blob_input())
    other = replace(
        data.test,
        label=data.test.label.roll(1),
        features=-data.test.features,
        samples=VectorRows(-data.test.features.numpy()),
    )
    expected = part.evaluate(data, "validation").metrics
    assert part.evaluate(replace(data, test=other), "validation").metrics == expected
    assert part.evaluate(replace(data, test=None), "validation").metrics == expected


@pytest.mark.parametrize("kind", KINDS)
def test_absent_splits_are_refused(kind):
    part = evaluator.spec(kind).build()
    data = whole(blob_input())
    with pytest.raises(ValueError, match="test split"):
        part.evaluate(replace(data, test=None), "test")
    with pytest.raises(ValueError, match="validation split"):
        part.evaluate(replace(data, validation=embedded(torch.empty(0, 5), [])), "validation")
    with pytest.raises(ValueError, match="`split`"):
        part.evaluate(data, "train")


@dataclass(frozen=True)
class Spy(Predictor):
    """Remembers what it was fitted on."""

    name: str = "spy"

    def fit(self, data):
        SEEN.append(data)
        return lambda part: torch.full((len(part), 3), 1 / 3)


SEEN: list[EvaluationInput] = []


def test_a_fit_never_sees_the_test_split_and_is_shared():
    SEEN.clear()
    data = blob_input()
    Spy().evaluate(data, "validation")
    Spy().evaluate(data, "test")
    Calibration(of=Spy()).evaluate(data, "test")
    assert len(SEEN) == 1
    assert SEEN[0].test is None and data.test is not None
    assert SEEN[0].train is data.train
    Spy("other").evaluate(data, "test")
    assert len(SEEN) == 2
    Spy().evaluate(replace(data, seed=1), "test")  # another input, another fit
    assert len(SEEN) == 3


def test_no_field_holds_true_labels_of_training_samples():
    fields = {"features", "z", "logits", "label", "index", "samples"}
    assert set(Embedded.__dataclass_fields__) == fields
    data = with_encoder(blob_input())
    assert not isinstance(data.train.samples, SampleSet)  # the samples alone


def test_predictor_reports_scores_of_its_predictions():
    data = blob_input(spread=1.5)
    report = LinearProbe().evaluate(data, "validation")
    prediction = report.predictions["validation"]
    assert report.metrics == scores(prediction, data.classes, data.groups)
    assert torch.equal(prediction.label, data.validation.label)
    table = report.tables["per_class"]
    assert [row["name"] for row in table] == ["cat", "dog", "hen"]
    assert sum(row["train_count"] for row in table) == 120


def test_classifier_is_the_softmax_of_its_logits():
    data = with_logits(blob_input())
    found = Classifier().evaluate(data, "test").predictions["test"].probabilities
    assert torch.equal(found, F.softmax(data.test.logits, dim=1))
    assert Classifier().requires == {"logits"}


def test_classifier_without_a_trained_one_is_refused():
    with pytest.raises(ValueError, match="`cross_entropy` term"):
        Classifier().evaluate(blob_input(), "test")


def test_calibration_judges_another_evaluator():
    data = with_logits(blob_input(spread=1.5))
    for kind, of in (("classifier", Classifier()), ("linear_probe", LinearProbe())):
        found = Calibration(of=kind).evaluate(data, "test")
        base = of.evaluate(data, "test").metrics
        assert found.metrics["ece"] == base["ece"] and found.metrics["nll"] == base["nll"]
        assert 0 <= found.metrics["brier"] <= 2
        rows = found.tables["reliability"]
        assert len(rows) == 15 and sum(row["count"] for row in rows) == len(data.test)
        assert sum(
            row["count"] / len(data.test) * abs(row["accuracy"] - row["confidence"])
            for row in rows
            if row["count"]
        ) == pytest.approx(found.metrics["ece"])
    assert Calibration(of="classifier").requires == {"logits"}
    assert Calibration(of="knn", bins=3).evaluate(data, "test").metrics["ece"] >= 0


def test_calibration_of_what_predicts_nothing_is_refused():
    with pytest.raises(ValueError, match="predicts classes"):
        Calibration(of="embedding").evaluate(blob_input(), "test")


def test_calibration_is_told_its_base_in_a_recipe():
    spec = evaluator.spec({"kind": "calibration", "of": {"kind": "knn", "k": 3}})
    assert spec.build().of == KNN(k=3)


def test_alignment_and_uniformity_equal_loops_over_pairs():
    generator = torch.Generator().manual_seed(0)
    z = F.normalize(torch.randn(25, 4, generator=generator), dim=1)
    label = torch.randint(0, 4, (25,), generator=generator)
    same, every = [], []
    for i in range(25):
        for j in range(25):
            if i != j:
                distance = float((z[i] - z[j]).double().square().sum())
                every.append(torch.tensor(-2 * distance).exp())
                if label[i] == label[j]:
                    same.append(distance)
    assert alignment(z, label) == pytest.approx(sum(same) / len(same), abs=1e-6)
    assert uniformity(z) == pytest.approx(float(torch.stack(every).mean().log()), abs=1e-5)


def test_extremes_of_the_embedding():
    collapsed = torch.eye(1, 3).repeat(6, 1)
    assert alignment(collapsed, torch.zeros(6, dtype=torch.int64)) == pytest.approx(0, abs=1e-6)
    assert uniformity(collapsed) == pytest.approx(0, abs=1e-6)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert alignment(opposite, torch.tensor([0, 0])) == pytest.approx(4)
    assert uniformity(opposite) == pytest.approx(-8)
    assert alignment(opposite, torch.tensor([0, 1])) is None
    assert uniformity(opposite[:1]) is None


def test_embedding_leaves_out_what_has_no_pairs(tmp_path):
    data = replace(blob_input(), test=embedded([[1.0]], [0]))
    report = Embedding().evaluate(data, "test")
    assert report.metrics == {}
    report.figures["projection"](tmp_path / "one.png")
    assert (tmp_path / "one.png").exists()


def test_embedding_measures_a_seeded_sample_of_many():
    def found(seed, samples=30):
        return Embedding(samples=samples).evaluate(blob_input(seed=seed), "test").metrics

    assert found(1) == found(1)
    assert found(1) != found(2)
    assert found(1, samples=80) == found(2, samples=80)


def test_tsne_is_drawn(tmp_path):
    report = Embedding(method="tsne", space="projection").evaluate(blob_input(), "test")
    report.figures["projection"](tmp_path / "tsne.png")
    assert (tmp_path / "tsne.png").exists()
    with pytest.raises(ValueError, match="`method`"):
        Embedding(method="umap")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": torch.zeros(80, 5).double()}, "`features`"),
        ({"z": torch.zeros(79, 5)}, "`z`"),
        ({"logits": torch.zeros(80)}, "`logits`"),
        ({"index": torch.zeros(80)}, "`index`"),
        ({"features": torch.full((80, 5), float("nan"))}, "diverged"),
    ],
)
def test_malformed_splits_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(blob_input().test, **change)

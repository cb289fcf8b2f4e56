"""A chain of filters: counts, reasons, quality, and what is measured of the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.class_measures import f1_by_class, spread_by_class
from supcon_ext.synthetic.filter import FilterVerdict, SyntheticFilter
from supcon_ext.synthetic.filtering import filtered
from tests.synthetic.sets import CLASSES, beside, made, real_pictures, real_vectors

UNIT = np.eye(4, dtype=np.float32)


class Says(SyntheticFilter):
    """Says what it is told of each sample by its column `number`."""

    def __init__(self, score: dict[int, float], drop: dict[int, str]) -> None:
        self.score = score
        self.drop = drop

    def judge(self, data: Any) -> FilterVerdict:
        self.saw = data.synthetic.columns["number"].tolist()
        self.quality = data.synthetic.quality.tolist()
        found = {
            words: np.array([self.drop.get(each) == words for each in self.saw])
            for words in dict.fromkeys(self.drop.values())
        }
        return FilterVerdict.of([self.score.get(each, 1.0) for each in self.saw], found)


def quality(part: SyntheticFilter) -> SyntheticFilter:
    part.mode = "quality"
    return part


def six() -> tuple[Any, SyntheticSet]:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    return real, beside(
        real,
        UNIT[[0, 1, 2, 3, 0, 1]],
        label=[0, 1, 2, 2, 0, 1],
        quality=[1, 0.5, 1, 1, 1, 0.8],
        columns={"number": np.arange(6)},
    )


def test_each_filter_sees_what_the_ones_before_have_left() -> None:
    real, synthetic = six()
    first = Says({0: 0.5, 1: 0.25}, {1: "dull", 3: "dull", 4: "odd"})
    second = quality(Says({0: 0.5, 2: 0.0, 5: 0.1}, {5: "dim"}))
    third = Says({}, {})
    left, report = filtered(synthetic, [first, second, third], real)
    assert (first.saw, second.saw, third.saw) == ([0, 1, 2, 3, 4, 5], [0, 2, 5], [0, 5])
    np.testing.assert_allclose(third.quality, [0.5, 0.08])
    assert left.columns["number"].tolist() == [0, 5] and left.label.tolist() == [0, 1]
    np.testing.assert_allclose(left.quality, [0.5, 0.08])
    np.testing.assert_array_equal(left[1], UNIT[1])
    assert report.step.tolist() == [-1, 0, 1, 0, 0, -1]
    assert report.reason.tolist() == ["", "dull", "its quality is 0", "dull", "odd", ""]
    np.testing.assert_allclose(report.score, [1, 0.25, 0, 1, 1, 1])
    np.testing.assert_allclose(report.quality, [0.5, 0.5, 0, 1, 1, 0.08])
    counts = [(s.filter, s.given, s.kept, dict(s.reasons)) for s in report.steps]
    assert counts == [
        ("Says", 6, 3, {"dull": 2, "odd": 1}),
        ("Says", 3, 2, {"its quality is 0": 1}),
        ("Says", 2, 2, {}),
    ]
    assert report.told() == (
        "2 of 6 synthetic samples kept; dropped 2 by Says (dull), 1 by Says (odd), "
        "1 by Says (its quality is 0)"
    )


def test_no_filter_keeps_all() -> None:
    real, synthetic = six()
    left, report = filtered(synthetic, [], real)
    np.testing.assert_array_equal(left.quality, synthetic.quality)
    assert report.told() == "6 of 6 synthetic samples kept" and report.as_dict()["steps"] == []


def test_the_given_set_is_left_as_it_is() -> None:
    real, synthetic = six()
    before = synthetic.quality.copy()
    filtered(synthetic, [quality(Says({0: 0.5}, {}))], real)
    np.testing.assert_array_equal(synthetic.quality, before)


def test_nothing_left_is_an_error_that_says_what_took_them() -> None:
    real, synthetic = six()
    dull = dict.fromkeys((0, 1, 2, 3), "dull")
    later = Says({}, {})
    chain = [Says({}, dull), Says({}, dict.fromkeys((4, 5), "odd")), later]
    message = r"but 0 of 6 .* dropped 4 by Says \(dull\), 2 by Says \(odd\).*mode: quality"
    with pytest.raises(ValueError, match=message):
        filtered(synthetic, chain, real)
    assert not hasattr(later, "saw")


def test_sets_that_do_not_go_together() -> None:
    real, synthetic = six()
    with pytest.raises(ValueError, match="synthetic samples to filter, but got none"):
        filtered(synthetic.take(np.array([], dtype=np.int64)), [], real)
    other = SyntheticSet.of(UNIT, InputSpec.of(UNIT), ("cat", "owl"))
    with pytest.raises(ValueError, match=r"of the 3 real classes.*got 2 classes"):
        filtered(other, [], real)
    pictures = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    other = SyntheticSet.of(pictures, InputSpec.of(pictures), CLASSES)
    with pytest.raises(ValueError, match="vectors of 4 channels, but got images of 3"):
        filtered(other, [], real)


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (lambda n: np.ones(n), "expected a verdict to be a FilterVerdict, but got ndarray"),
        (lambda n: FilterVerdict.of(np.ones(n - 1), {}), r"scores of shape \(6,\), but got \(5,\)"),
        (lambda n: FilterVerdict.of(np.full(n, 1.5), {}), r"scores in \[0, 1\], but got 1.5"),
        (lambda n: FilterVerdict.of(np.full(n, np.nan), {}), r"scores in \[0, 1\], but got nan"),
        (
            lambda n: FilterVerdict(np.ones(n), np.zeros(n, bool), np.full(n, "", object)),
            "a reason of each sample that is not kept",
        ),
        (
            lambda n: FilterVerdict(np.ones(n), np.ones(n), np.full(n, "", object)),
            "what is kept that are booleans",
        ),
    ],
)
def test_what_is_no_verdict_is_refused_in_the_filters_name(verdict: Any, message: str) -> None:
    real, synthetic = six()
    part = Says({}, {})
    part.judge = lambda data: verdict(len(data.synthetic))  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=f"^synthetic_filter `Says`: .*{message}"):
        filtered(synthetic, [part], real)


def test_features_are_made_once_for_all_who_ask() -> None:
    class Counted:
        def __init__(self, samples: np.ndarray) -> None:
            self.samples = samples
            self.read: list[int] = []

        def __len__(self) -> int:
            return len(self.samples)

        def __getitem__(self, index: int) -> Any:
            self.read.append(index)
            return self.samples[index]

    drawn = np.random.default_rng(0)
    pictures = drawn.integers(0, 256, (12, 9, 9, 3), dtype=np.uint8)
    real = real_pictures(pictures, np.arange(12) % 3)
    samples = Counted(pictures)
    synthetic = SyntheticSet.of(samples, real.samples.spec, CLASSES, label=np.arange(12) % 3)
    chain = [
        made("knn_agreement", k=1),
        made("classifier_agreement"),
        made("centroid_distance", low=0, high=1),
    ]
    filtered(synthetic, chain[:2], real, measured=True)
    assert sorted(samples.read) == list(range(12))


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (12, "uint16"), (4, "float32")])
def test_pixels_of_any_channels_and_size_are_features(channels: int, dtype: str) -> None:
    drawn = np.random.default_rng(0)
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    label = np.arange(12) % 3

    def pictures(side: int) -> np.ndarray:
        units = drawn.random((12, side, side + 3, channels)) * 0.2
        for place, each in enumerate(label):
            units[place, side * each // 3 : side * (each + 1) // 3] += 0.7
        return (units * scale).astype(dtype)

    real = real_pictures(pictures(20), label)
    for side in (8, 16, 40):
        synthetic = beside(real, pictures(side), label=label)
        left, _ = filtered(synthetic, [made("knn_agreement", k=2)], real)
        assert len(left) == 12


def test_an_encoder_makes_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered backbone, opened as `supcon embed` opens it."""
    import torch

    from supcon_ext.embed.encoder import find_encoder

    drawn = np.random.default_rng(0)
    pictures = drawn.integers(0, 256, (9, 10, 10, 3), dtype=np.uint8)
    label = np.arange(9) % 3
    real = real_pictures(pictures, label)
    synthetic = beside(real, pictures[::-1].copy(), label=label[::-1])
    from supcon_ext.synthetic.features import FeatureBank

    found = FeatureBank(synthetic, real, "conv4").of(np.arange(9))
    encoder = find_encoder("conv4")(3)
    from data_tools.registry import family
    from supcon_ext.experiment.checked_parts import view_of

    policy = encoder.settled(family("policy").spec("none"))
    view = view_of(policy, encoder.context(real.samples.spec))
    with torch.inference_mode():
        expected = encoder.network(torch.stack([view(p, (0, 0)) for p in pictures])).numpy()
    np.testing.assert_allclose(found.real, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.synthetic, expected[::-1], rtol=1e-4, atol=1e-5)


def test_stored_views_of_a_vector_are_averaged() -> None:
    from supcon_ext.synthetic.features import FeatureBank

    real = real_vectors(UNIT, [0, 1, 2, 2])
    synthetic = beside(real, np.stack([UNIT[:2], UNIT[2:]]), label=[0, 1])
    found = FeatureBank(synthetic, real).of(np.arange(2))
    np.testing.assert_allclose(found.synthetic, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_array_equal(found.real, UNIT)


# -- what is measured -----------------------------------------------------------------------------


def test_f1_is_that_of_scikit_learn() -> None:
    drawn = np.random.default_rng(0)
    label, seen = drawn.integers(0, 4, 200), drawn.integers(0, 5, 200)
    found = f1_by_class(label, seen, 6)
    np.testing.assert_allclose(found[:4], f1_score(label, seen, labels=range(4), average=None))
    assert np.isnan(found[4:]).all()


def test_diversity_is_the_mean_deviation_within_a_class() -> None:
    features = np.array([[0.0, 1], [2, 1], [5, 5], [5, 9], [5, 1]])
    found = spread_by_class(features, np.array([0, 0, 1, 1, 1]), 3)
    np.testing.assert_allclose(found[:2], [(1 + 0) / 2, (0 + np.std([5, 9, 1])) / 2])
    assert np.isnan(found[2])


def test_classes_that_more_samples_will_not_help_are_named(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 30)
    centre = UNIT[[0, 1, 2]] * 4
    x = centre[label] + drawn.normal(size=(90, 4)) * 0.3
    x[label == 2] = drawn.normal(size=(30, 4)) * 0.3 + centre[0]  # not to be told from a cat
    real = real_vectors(x, label)
    own = np.repeat([0, 1], 20)
    shown = centre[np.zeros(40, dtype=int)] + drawn.normal(size=(40, 4)) * 0.1  # no dog is one
    synthetic = beside(real, shown, label=own)
    _, report = filtered(synthetic, [made("top_k", k=5, by="class")], real, measured=True)
    measures = report.measures
    assert measures is not None
    assert measures.given.tolist() == [20, 20, 0] and measures.kept.tolist() == [5, 5, 0]
    assert measures.f1_given[1] == 0 and measures.f1_real[1] > 0.9
    assert np.isnan(measures.f1_given[2]) and np.isnan(measures.spread_given[2])
    assert measures.spread_given[0] < measures.spread_real[0]
    assert measures.unrecognised == [1] and measures.untold == []
    assert report.warnings() == [
        "a classifier of real samples does not recognise dog: more of such images will not help"
    ]
    report.write(tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["kept"] == 10 and told["kept_fraction"] == 0.25
    assert told["measures"]["more_will_not_help"] == ["dog"]
    assert told["measures"]["classes"][2]["recognisability_given"] is None


def test_what_the_classifier_cannot_see_in_real_samples_is_not_held_against_synthetic_ones() -> (
    None
):
    drawn = np.random.default_rng(0)
    label = np.array([0] * 30 + [1] * 30 + [2])
    x = UNIT[label] * 4 + drawn.normal(size=(61, 4)) * 0.3
    real = real_vectors(x, label)
    synthetic = beside(real, UNIT[[0, 0]] * 4, label=[2, 2])
    _, report = filtered(synthetic, [], real, measured=True)
    assert report.measures is not None
    assert (report.measures.unrecognised, report.measures.untold) == ([], [2])
    assert "help owl cannot be told" in report.warnings()[0]


def test_measures_leave_out_what_cannot_be_read_and_what_has_no_class(tmp_path: Path) -> None:
    import cv2

    from data_tools.image_files import ImageFiles

    drawn = np.random.default_rng(0)
    label = np.arange(12) % 3
    pictures = drawn.integers(0, 60, (12, 9, 9, 3), dtype=np.uint8)
    pictures[np.arange(12), 3 * label] += 190
    real = real_pictures(pictures, label)
    for place in range(12):
        assert cv2.imwrite(str(tmp_path / f"{place:02}.png"), pictures[place])
    (tmp_path / "03.png").write_text("no picture")
    files = ImageFiles(sorted(tmp_path.iterdir()))
    own = np.where(np.arange(12) == 5, -1, label)
    synthetic = SyntheticSet.of(files, files.spec(), CLASSES, label=own)
    left, report = filtered(synthetic, [made("readable")], real, measured=True)
    assert len(left) == 11 and report.measures is not None
    assert report.measures.given.tolist() == [3, 4, 3]


def test_only_real_training_samples_can_be_given() -> None:
    train = SampleSet(UNIT, np.array([0, 1, 2, 2]), CLASSES)
    _, synthetic = six()
    with pytest.raises(AttributeError):
        filtered(synthetic, [], train)  # type: ignore[arg-type]


def test_one_real_class_and_samples_of_none_are_measured_as_far_as_they_can_be() -> None:
    one = real_vectors(UNIT, [1, 1, 1, 1])
    _, report = filtered(beside(one, UNIT[:3], label=[1, 1, 0]), [], one, measured=True)
    assert report.measures is not None and report.warnings() == []
    assert np.isnan(report.measures.f1_given).all() and np.isnan(report.measures.f1_real).all()
    assert report.measures.spread_given[1] > 0 and report.measures.given.tolist() == [1, 2, 0]
    real = real_vectors(UNIT, [0, 1, 2, 2])
    _, report = filtered(beside(real, UNIT), [], real, measured=True)
    assert report.measures is not None and report.warnings() == []
    assert report.measures.given.tolist() == [0, 0, 0]
    assert np.isnan(report.measures.f1_given).all()

"""Each filter on samples whose verdict is known by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from data_tools.image_files import ImageFiles
from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.filter import NO_CAPTION, NO_CLASS, NO_REAL
from supcon_ext.synthetic.order import best_first
from supcon_ext.testing.synthetic_filters import check_synthetic_filter
from tests.experiment.members import members
from tests.synthetic.sets import (
    PARAMETERS,
    beside,
    judged,
    made,
    real_pictures,
    real_vectors,
)

UNIT = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize("kind", ["image", "vector"])
@pytest.mark.parametrize("mode", ["hard", "quality"])
@pytest.mark.parametrize("name", members("synthetic_filter"))
def test_every_filter_keeps_the_contract(name: str, mode: str, kind: str) -> None:
    if name not in members("synthetic_filter", kind):
        with pytest.raises(AssertionError, match="expected pictures, but got vectors"):
            check_synthetic_filter(made(name, mode=mode), "vector")
        return
    part = made(name, mode=mode, **PARAMETERS.get(name, {}))
    check_synthetic_filter(part, kind)  # type: ignore[arg-type]


# -- readable -------------------------------------------------------------------------------------


def test_readable_says_what_is_wrong_with_files(tmp_path: Path) -> None:
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    dim = (noise // 128).astype(np.uint8)  # no pixel above 1 of 255
    pictures = {"good": noise, "black": dim * 2, "grey": noise * 0 + 90, "tiny": noise[:7]}
    red = noise * 0
    red[..., 2] = 200
    pictures |= {"red": red, "dark": noise // 8}
    for name, picture in pictures.items():
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:200])
    names = [*pictures, "text", "cut", "gone"]
    files = ImageFiles([tmp_path / f"{name}.png" for name in names])
    real = real_pictures(noise[None], [0])
    synthetic = SyntheticSet.of(files, files.spec(), real.samples.classes)
    verdict = judged("readable", synthetic, real)
    assert dict(zip(names, verdict.reason.tolist(), strict=True)) == {
        "good": "",
        "black": "it is black",
        "grey": "it is constant",
        "tiny": "it is smaller than 8 pixels",
        "red": "it is constant",
        "dark": "",
        "text": "it cannot be read",
        "cut": "it cannot be read",
        "gone": "it cannot be read",
    }
    assert verdict.score.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert judged("readable", synthetic, real, side=7).reason[3] == ""
    assert judged("readable", synthetic, real, spread=0.2).reason[5] == "it is black"


def test_readable_of_other_depths() -> None:
    noise = np.random.default_rng(0).random((12, 12, 12)).astype(np.float32)
    for dtype, top in (("float32", 1), ("uint16", 65535)):
        samples = (np.stack([noise, noise * 0.005, noise * 0 + 0.5]) * top).astype(dtype)
        real = real_pictures(samples[:1], [0])
        verdict = judged("readable", beside(real, samples), real)
        assert verdict.reason.tolist() == ["", "it is black", "it is constant"]


def test_readable_of_vectors() -> None:
    real = real_vectors(UNIT[:1], [0])
    rows = [UNIT[0], UNIT[0] * np.nan, UNIT[0] * 0, [np.inf, 0, 0, 0]]
    verdict = judged("readable", beside(real, rows), real)
    assert verdict.reason.tolist() == ["", "it is not finite", "it is constant", "it is not finite"]


# -- near_duplicates ------------------------------------------------------------------------------


def waves(seed: int, side: int = 32) -> np.ndarray:
    """A smooth picture: its hash stands firm against a little noise."""
    drawn = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    total = sum(
        drawn.normal() * np.cos(np.pi * (i * x + j * y + drawn.random()))
        for i in range(5)
        for j in range(5)
    )
    scaled = (total - total.min()) / np.ptp(total)
    return np.repeat((scaled * 255).astype(np.uint8)[..., None], 3, axis=2)


def test_near_duplicates_keep_the_best_of_a_caption_and_no_copy_of_a_parent() -> None:
    one, two, parent = waves(1), waves(2), waves(3)
    brighter = (one.astype(np.int64) * 9 // 10 + 10).astype(np.uint8)
    real = real_pictures([parent, two], [0, 1])
    synthetic = beside(
        real,
        np.stack([one, brighter, brighter, two, parent, one]),
        label=[0] * 6,
        captions=["a", "A ", "b", "a", "a", "b"],
        parent=[-1, -1, -1, 0, 0, -1],
        quality=[0.5, 0.9, 0.4, 1, 1, 0.3],
    )
    same, parents = "it is nearly another picture of its caption", "it is nearly its parent"
    verdict = judged("near_duplicates", synthetic, real)
    assert verdict.reason.tolist() == [same, "", "", "", parents, same]
    assert verdict.score.tolist() == [0, 1, 1, 1, 0, 0]
    alone = judged("near_duplicates", synthetic, real, against="caption")
    assert alone.reason.tolist() == [same, "", "", "", "", same]
    alone = judged("near_duplicates", synthetic, real, against="parent")
    assert alone.reason.tolist() == ["", "", "", "", parents, ""]


def test_the_threshold_counts_bits_of_the_packages_hash() -> None:
    import imagehash
    from PIL import Image

    one = waves(1)
    others = [
        np.clip(one.astype(int) + step * (waves(5).astype(int) - 128) // 8, 0, 255)
        for step in range(1, 9)
    ]
    pictures = np.stack([one, *others]).astype(np.uint8)
    hashes = [imagehash.phash(Image.fromarray(picture)) for picture in pictures]
    apart = [int(hashes[0] - other) for other in hashes[1:]]
    assert len(set(apart)) > 2
    real = real_pictures(pictures[:1], [0])
    synthetic = beside(real, pictures[1:], parent=[0] * len(others))
    for bits in sorted({*apart, 0}):
        verdict = judged("near_duplicates", synthetic, real, bits=bits, against="parent")
        assert verdict.kept.tolist() == [each > bits for each in apart]


def test_pictures_without_a_caption_are_compared_within_their_class() -> None:
    real = real_pictures([waves(1)], [0])
    synthetic = beside(
        real, np.stack([waves(2)] * 3), label=[0, 0, 1], columns={"path": np.array(["b", "a", "c"])}
    )
    assert judged("near_duplicates", synthetic, real).kept.tolist() == [False, True, True]


# -- score_column ---------------------------------------------------------------------------------


def test_score_column() -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    column: Any = np.array([0.2, 0.5, "", None, "0.7"], dtype=object)
    synthetic = beside(
        real, UNIT[[0, 1, 2, 3, 0]], columns={"clip": column}, quality=[0.1, 0.2, 0.3, 0.4, 0.5]
    )
    verdict = judged("score_column", synthetic, real, column="clip", at_least=0.5)
    none, low = "it has no `clip`", "its `clip` is under 0.5"
    assert verdict.reason.tolist() == [low, "", none, none, ""]
    np.testing.assert_allclose(verdict.score, [0.2, 0.5, 0, 0, 0.7], rtol=1e-6)
    of_quality = judged("score_column", synthetic, real, column="quality", at_least=0.25)
    assert of_quality.kept.tolist() == [False, False, True, True, True]


def test_score_column_of_another_range_is_for_hard_filters() -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    synthetic = beside(real, UNIT[:2], columns={"logit": np.array([3.5, -1.0])})
    verdict = judged("score_column", synthetic, real, column="logit", at_least=0)
    assert verdict.kept.tolist() == [True, False]
    with pytest.raises(ValueError, match=r"values in \[0, 1\] in column `logit`.*got 3.5.*hard"):
        judged("score_column", synthetic, real, column="logit", at_least=0, mode="quality")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("aesthetic", "a column `aesthetic` of the synthetic samples .* have `note`"),
        ("note", "numbers in column `note`"),
    ],
)
def test_score_column_that_is_none(column: str, message: str) -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    synthetic = beside(real, UNIT[:2], columns={"note": np.array(["good", "bad"])})
    with pytest.raises(ValueError, match=message):
        judged("score_column", synthetic, real, column=column, at_least=0)


# -- top_k ----------------------------------------------------------------------------------------


def test_top_k_of_each_caption_and_of_each_class() -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    synthetic = beside(
        real,
        UNIT[[0] * 7],
        captions=["a", "a", "a", "b", None, "B", "a"],
        label=[0, 0, 1, 1, 1, -1, 0],
        quality=[0.1, 0.9, 0.5, 0.1, 1, 0.2, 0.6],
    )
    verdict = judged("top_k", synthetic, real, k=2)
    late = "2 of its caption are better"
    assert verdict.reason.tolist() == [late, "", late, "", NO_CAPTION, "", ""]
    verdict = judged("top_k", synthetic, real, k=2, by="class")
    late = "2 of its class are better"
    assert verdict.reason.tolist() == [late, "", "", late, "", NO_CLASS, ""]


def test_equal_quality_is_ordered_by_path_then_by_what_a_sample_holds() -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    paths = beside(real, UNIT, columns={"path": np.array(["d", "b", "c", "a"])})
    assert best_first(paths).tolist() == [3, 1, 2, 0]
    plain = beside(real, UNIT, quality=[0.5, 0.5, 0.5, 1])
    order, turned = best_first(plain), best_first(plain.take(np.array([2, 3, 0, 1])))
    assert order[0] == 3
    assert np.array([2, 3, 0, 1])[turned].tolist() == order.tolist()


# -- knn_agreement --------------------------------------------------------------------------------


def angles(*degrees: float) -> np.ndarray:
    turned = np.deg2rad(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def test_knn_agreement_counts_the_nearest() -> None:
    real = real_vectors(angles(0, 10, 20, 90, 100, 110), [0, 0, 0, 1, 1, 1])
    rows = angles(5, 95, 52, 58, 5, 180)
    synthetic = beside(real, rows, label=[0, 1, 0, 0, 1, -1])
    # 52: nearest are 20 (32 away), 90 (38), 10 (42); 58: 90 (32), 20 (38), 100 (42)
    verdict = judged("knn_agreement", synthetic, real, k=3)
    np.testing.assert_allclose(verdict.score, [1, 1, 2 / 3, 1 / 3, 0, 0], rtol=1e-6)
    low = "fewer than 0.5 of its nearest real samples are of its class"
    assert verdict.reason.tolist() == ["", "", "", low, low, NO_CLASS]
    assert judged("knn_agreement", synthetic, real, k=3, at_least=0.3).kept[3]


def test_a_rare_class_is_asked_for_as_many_neighbours_as_it_has() -> None:
    real = real_vectors(angles(0, 90, 91, 92, 93), [0, 1, 1, 1, 1])
    synthetic = beside(real, angles(3, 87, 50), label=[0, 0, 2])
    verdict = judged("knn_agreement", synthetic, real, k=4)
    assert verdict.score.tolist() == [1, 0, 0]
    assert verdict.reason[2] == NO_REAL


def test_neighbours_as_near_as_the_last_count_too() -> None:
    real = real_vectors(angles(-10, 10, 10, 80), [0, 1, 0, 1])
    synthetic = beside(real, angles(0), label=[0])
    verdict = judged("knn_agreement", synthetic, real, k=1)
    np.testing.assert_allclose(verdict.score, [2 / 3], rtol=1e-6)


def test_only_trusted_neighbours_vote() -> None:
    rows, label = angles(0, 1, 2, 90, 91), [1, 0, 0, 1, 1]
    synthetic_label, trust = [0], [0.2, 1, 0.8, 1, 1]
    everyone, trusted = real_vectors(rows, label), real_vectors(rows, label, trust)
    for real, score in ((everyone, 0.5), (trusted, 1.0)):
        found = judged("knn_agreement", beside(real, angles(0), label=synthetic_label), real, k=2)
        np.testing.assert_allclose(found.score, [score])


def test_many_samples_agree_with_one_at_a_time() -> None:
    drawn = np.random.default_rng(0)
    label = drawn.integers(0, 3, 90)
    real = real_vectors(drawn.normal(size=(90, 5)), label)
    rows, own = drawn.normal(size=(700, 5)).astype(np.float32), drawn.integers(0, 3, 700)
    found = judged("knn_agreement", beside(real, rows, label=own), real, k=7)
    x = np.stack([real.samples[place] for place in range(90)]).astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    for place, row in enumerate(rows.astype(np.float64)):
        nearest = np.argsort(-(x @ row))[:7]
        assert found.score[place] == np.float32((label[nearest] == own[place]).mean())


# -- classifier_agreement -------------------------------------------------------------------------


def test_classifier_agreement_is_that_of_a_logistic_regression() -> None:
    drawn = np.random.default_rng(0)
    label = np.array([0] * 40 + [1] * 10 + [2] * 5)
    centres = UNIT[:3] * 3
    x = (centres[label] + drawn.normal(size=(55, 4))).astype(np.float32)
    real = real_vectors(x, label)
    own = np.array([0, 1, 2, 1, -1])
    rows = np.stack([centres[0], centres[1], centres[2], centres[0], centres[0]])
    verdict = judged("classifier_agreement", beside(real, rows, label=own), real, confidence=0.6)
    scale = StandardScaler().fit(x.astype(np.float64))
    model = LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced")
    model.fit(scale.transform(x), label)
    expected = model.predict_proba(scale.transform(rows))
    np.testing.assert_allclose(
        verdict.score[:4], expected[np.arange(4), own[:4]], rtol=1e-3, atol=1e-5
    )
    other = "the real classifier sees another class"
    assert verdict.reason.tolist() == ["", "", "", other, NO_CLASS]
    sure = judged("classifier_agreement", beside(real, rows, label=own), real, confidence=0.99)
    assert sure.reason[0] == "the real classifier is less than 0.99 sure"


def test_a_class_without_a_trusted_sample_is_not_recognised() -> None:
    real = real_vectors(UNIT, [0, 1, 2, 0], [1, 1, 0, 1])
    verdict = judged("classifier_agreement", beside(real, UNIT[:3], label=[0, 1, 2]), real)
    assert verdict.reason[2] == NO_REAL and verdict.score[2] == 0


def test_one_class_is_no_task_for_a_classifier() -> None:
    real = real_vectors(UNIT, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="of two classes or more for a classifier, but got 1"):
        judged("classifier_agreement", beside(real, UNIT[:1], label=[1]), real)


# -- centroid_distance ----------------------------------------------------------------------------


def test_centroid_distance_is_measured_by_real_samples_without_themselves() -> None:
    rows = angles(-20, -10, 0, 10, 20, 85, 90, 95)
    label = np.array([0] * 5 + [1] * 3)
    real = real_vectors(rows, label)
    inside, far, near = 15.0, 40.0, 0.0
    synthetic = beside(real, angles(inside, far, near, 90), label=[0, 0, 0, -1])
    verdict = judged("centroid_distance", synthetic, real, low=0.1, high=0.8)
    among = []
    for place in range(8):
        others = (label == label[place]) & (np.arange(8) != place)
        mean = rows[others].astype(np.float64).mean(0)
        among.append(rows[place] @ mean / np.linalg.norm(mean))
    low, high = np.quantile(among, [0.1, 0.8])
    cosine = np.cos(np.deg2rad([inside, far, near]))
    gap = np.maximum(np.maximum(low - cosine, cosine - high), 0)
    np.testing.assert_allclose(
        verdict.score[:3], np.clip(1 - gap / (high - low), 0, 1), rtol=1e-4, atol=1e-5
    )
    assert verdict.reason.tolist() == [
        "",
        "it is farther from its class than 90% of real samples",
        "it is nearer to its class than 80% of real samples",
        NO_CLASS,
    ]


def test_a_class_of_twenty_has_a_band_of_its_own() -> None:
    drawn = np.random.default_rng(0)
    tight, wide = drawn.normal(0, 4, 20), drawn.normal(120, 40, 20)
    rows, label = angles(*tight, *wide), np.repeat([0, 1], 20)
    synthetic_rows, own = angles(40, 160), [0, 1]
    real = real_vectors(rows, label)
    kept = judged("centroid_distance", beside(real, synthetic_rows, label=own), real).kept
    assert kept.tolist() == [False, True]
    fewer = np.arange(40) % 20 > 0  # 19 of each, which share a band
    real = real_vectors(rows[fewer], label[fewer])
    kept = judged("centroid_distance", beside(real, synthetic_rows, label=own), real).kept
    assert kept.tolist() == [True, True]


def test_bounds_the_wrong_way_round() -> None:
    with pytest.raises(ValueError, match=r"`low` below `high`, but got 0\.9 and 0\.1"):
        made("centroid_distance", low=0.9, high=0.1)


# -- what all of a kind share ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["knn_agreement", "classifier_agreement", "centroid_distance"])
def test_a_class_is_needed(name: str) -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    with pytest.raises(ValueError, match=rf"of a known class for synthetic_filter `{name}`.*none"):
        judged(name, beside(real, UNIT), real)


@pytest.mark.parametrize("by", ["caption", "class"])
def test_top_k_needs_what_it_goes_by(by: str) -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    with pytest.raises(ValueError, match=f"of a known {by} for synthetic_filter `top_k`"):
        judged("top_k", beside(real, UNIT), real, by=by)


@pytest.mark.parametrize("name", ["knn_agreement", "classifier_agreement", "centroid_distance"])
def test_vectors_take_no_encoder(name: str) -> None:
    real = real_vectors(UNIT, [0, 1, 2, 2])
    with pytest.raises(ValueError, match=r"no encoder for vectors.*got timm:resnet10t"):
        judged(name, beside(real, UNIT, label=[0, 1, 2, 2]), real, encoder="timm:resnet10t")


@pytest.mark.parametrize("name", ["knn_agreement", "classifier_agreement", "centroid_distance"])
@pytest.mark.parametrize(
    ("encoder", "message"),
    [("timm:no_such_net", "no_such_net"), ("runs/no-run", "timm:NAME, a finished run")],
)
def test_an_encoder_that_is_none(name: str, encoder: str, message: str) -> None:
    real = real_pictures(np.stack([waves(1), waves(2)]), [0, 1])
    with pytest.raises(ValueError, match=message):
        judged(name, beside(real, waves(1)[None], label=[0]), real, encoder=encoder)


@pytest.mark.parametrize(
    "name", ["knn_agreement", "classifier_agreement", "centroid_distance", "near_duplicates"]
)
def test_a_picture_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    real = real_pictures(np.stack([waves(1), waves(2)]), [0, 1])
    files = ImageFiles([tmp_path / "text.png"])
    synthetic = SyntheticSet.of(files, files.spec(), real.samples.classes, label=[0])
    with pytest.raises(ValueError, match=r"can be read.*text\.png.*`readable` before"):
        judged(name, synthetic, real)


def test_the_real_samples_must_be_trusted_and_real() -> None:
    with pytest.raises(ValueError, match="none is trusted"):
        real_vectors(UNIT, [0, 1, 2, 2], [0, 0.5, 0.1, 0])
    with pytest.raises(ValueError, match=r"a trust of each of the 4 .* but got 3"):
        real_vectors(UNIT, [0, 1, 2, 2], [1, 1, 1])


def test_a_set_that_is_no_data_set_is_none_to_fit_on() -> None:
    from supcon_ext.synthetic.real_training import RealTraining

    alone = SampleSet(UNIT, np.array([0, 1, 2, 2]), ("a", "b", "c"))
    with pytest.raises(AttributeError):  # no `train`: it may be any split
        RealTraining.of(alone)  # type: ignore[arg-type]

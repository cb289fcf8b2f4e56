"""The classifier and the transformer: scikit-learn's own checks, and use as people use them."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from supcon_ext import SupConClassifier, SupConTransformer
from supcon_ext.experiment import report
from tests.experiment.members import _written

NOT_ASKED = {"check_array_api_input": "asks whether other arrays than numpy's stay what they are"}
"""Checks of scikit-learn that are left out, and why. All others pass: none is expected to fail."""

SMALL = [
    "model.backbone={kind: conv4, width: 8}",
    "stages.0.views={policy: none, count: 2}",
    "stages.0.batch_size=16",
]
X, Y = load_digits(n_class=3, return_X_y=True)
PICTURES = np.round(X * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
NAMES = np.asarray(["zero", "one", "two"])[Y]


def checks(*estimators: Any) -> list[Any]:
    return [
        pytest.param(estimator, check, id=f"{estimator}-{name}-{number}")
        for estimator in estimators
        for number, (_, check) in enumerate(estimator_checks_generator(estimator, mark=None))
        if (name := check.func.__name__) not in NOT_ASKED
    ]


@pytest.mark.parametrize(("estimator", "check"), checks(SupConTransformer(epochs=2)))
def test_scikit_learns_checks_of_the_transformer(estimator: Any, check: Any) -> None:
    check(clone(estimator))


@pytest.mark.long
@pytest.mark.parametrize(
    ("estimator", "check"),
    checks(SupConClassifier(epochs=10), SupConClassifier(epochs=10, selector="gmm")),
)
def test_scikit_learns_checks_of_the_classifier(estimator: Any, check: Any) -> None:
    check(clone(estimator))


def forms(place: Path) -> dict[str, tuple[Any, Any]]:
    paths = []
    for number, picture in enumerate(PICTURES[:90]):
        paths.append(place / f"{number}.png")
        Image.fromarray(picture).save(paths[-1])
    return {
        "vectors": (X[:90], SupConClassifier(epochs=8, random_state=0)),
        "pictures": (PICTURES[:90], _small(8)),
        "colour": (np.repeat(PICTURES[:90, ..., None], 3, 3), _small(8)),
        "a list": ([Image.fromarray(picture) for picture in PICTURES[:90]], _small(8)),
        "paths": (
            paths,
            _small(8, "data.dataset={kind: from_python, mode: grey}", "data.image_size=8"),
        ),
    }


def _small(epochs: int, *overrides: str) -> SupConClassifier:
    return SupConClassifier(epochs=epochs, random_state=0, overrides=[*SMALL, *overrides])


@pytest.mark.parametrize("form", ["vectors", "pictures", "colour", "a list", "paths"])
def test_every_form_of_samples_is_learnt_and_nothing_is_left(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, empty = tmp_path / "pictures", tmp_path / "here"
    place.mkdir()
    empty.mkdir()
    x, model = forms(place)[form]
    monkeypatch.chdir(empty)
    assert model.fit(x, NAMES[:90]) is model
    assert model.classes_.tolist() == ["one", "two", "zero"]
    probability = model.predict_proba(x)
    assert probability.shape == (90, 3) and np.allclose(probability.sum(1), 1)
    assert (model.predict(x) == model.classes_[probability.argmax(1)]).all()
    assert model.score(x, NAMES[:90]) > 0.8
    features = model.transform(x)
    assert features.shape == (90, len(model.get_feature_names_out())) == (90, features.shape[1])
    assert features.dtype == np.float32
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict_proba(x) == probability).all()
    assert not list(empty.iterdir())


def test_one_seed_gives_one_model_and_leaves_the_global_generators_alone() -> None:
    model = SupConClassifier(epochs=2, random_state=3)
    first = clone(model).fit(X[:60], Y[:60]).predict_proba(X)
    states = np.random.get_state()[1].tolist(), random.getstate(), torch.get_rng_state()
    second = clone(model).fit(X[:60], Y[:60]).predict_proba(X)
    assert (first == second).all()
    assert np.random.get_state()[1].tolist() == states[0] and random.getstate() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    other = clone(model).set_params(random_state=4).fit(X[:60], Y[:60]).predict_proba(X)
    assert (first != other).any()


def test_in_a_pipeline_a_cross_validation_and_a_grid() -> None:
    pipeline = make_pipeline(MinMaxScaler(), SupConClassifier(epochs=8, random_state=0))
    assert cross_val_score(pipeline, X[:150], NAMES[:150], cv=2).min() > 0.8
    grid = {"supconclassifier__selector": ["label", {"kind": "gmm", "history": 2}]}
    found = GridSearchCV(pipeline, grid, cv=2).fit(X[:100], NAMES[:100])
    assert len(found.cv_results_["params"]) == 2 and found.best_score_ > 0.7
    before = make_pipeline(SupConTransformer(epochs=8, random_state=0), LogisticRegression())
    assert before.fit(X[:100], Y[:100]).score(X[100:], Y[100:]) > 0.8


@pytest.mark.long
def test_in_processes_of_joblib_the_scores_are_the_same() -> None:
    model = SupConClassifier(epochs=4, random_state=0)
    alone = cross_val_score(model, X[:150], Y[:150], cv=2)
    assert (cross_val_score(model, X[:150], Y[:150], cv=2, n_jobs=2) == alone).all()


def test_a_selector_doubts_wrong_labels_and_helps() -> None:
    drawn = np.random.default_rng(0)
    wrong = drawn.random(len(Y)) < 0.3
    given = np.where(wrong, (Y + drawn.integers(1, 3, len(Y))) % 3, Y)
    model = SupConClassifier(selector="gmm", weighting="balanced", epochs=15, random_state=0)
    model.fit(X, given)
    doubted = model.trust_ <= 0.5
    assert wrong[doubted].mean() > 0.8 and doubted[wrong].mean() > 0.8
    assert model.score(X, Y) > 0.9


CONTRAST_ONLY = {
    "name": "contrast",
    "data": {"validation": 0},
    "model": {"backbone": {"kind": "mlp", "dim": 16}, "projector": {"hidden": 16, "dim": 8}},
    "stages": [
        {
            "name": "only",
            "epochs": 8,
            "views": {"policy": "gaussian_noise", "count": 2},
            "objective": ["contrastive"],
            "optimizer": {"kind": "adamw", "lr": 0.003},
        }
    ],
}


def test_any_recipe_and_any_key_also_without_a_classifier_of_the_network() -> None:
    model = SupConClassifier(
        recipe=CONTRAST_ONLY,
        overrides=["model.backbone.dim=12"],
        selector={"kind": "confident_pairs", "neighbours": 5},
        random_state=0,
    )
    model.fit(X[:90], NAMES[:90])
    assert model.transform(X[:3]).shape == (3, 12)
    assert model.probe_ is not None and model.score(X[:90], NAMES[:90]) > 0.8


def test_a_shipped_recipe_by_its_name() -> None:
    model = SupConClassifier(recipe="features/composed", random_state=0, epochs=2)
    assert model.fit(X[:90], NAMES[:90]).score(X[:90], NAMES[:90]) > 0.8
    assert len(model.trust_) == 90


def test_a_folder_keeps_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_draw", lambda *args: [])
    monkeypatch.setattr(report, "export_encoder", _written)
    model = SupConClassifier(epochs=2, random_state=0, folder=tmp_path / "run")
    model.fit(X[:60], Y[:60])
    assert (tmp_path / "run" / "results.json").is_file()
    without = clone(model).set_params(folder=None).fit(X[:60], Y[:60])
    assert (without.predict_proba(X) == model.predict_proba(X)).all()


WRONG: dict[str, tuple[dict[str, Any], Any, Any, str]] = {
    "an unknown selector": ({"selector": "gnm"}, X, Y, "gnm"),
    "an object": ({"selector": object()}, X, Y, "a name or a mapping with `kind`"),
    "an unknown weighting": ({"weighting": "balancd"}, X, Y, "balancd"),
    "no epochs": ({"epochs": 0}, X, Y, "epochs"),
    "an unknown recipe": ({"recipe": "no/such"}, X, Y, "no/such"),
    "a wrong key": ({"overrides": ["model.backbon=mlp"]}, X, Y, "backbon"),
    "a backbone of pictures": ({"overrides": ["model.backbone=conv4"]}, X, Y, "conv4"),
    "other lengths": ({}, PICTURES, Y[:5], "one label for each of the 537 samples"),
    "floats": ({}, X, X[:, 2] + 0.5, "Unknown label type"),
    "no labels": ({}, X, None, "requires y to be passed"),
    "no contrastive term": (
        {
            "selector": "gmm",
            "recipe": {
                **CONTRAST_ONLY,
                "stages": [{**CONTRAST_ONLY["stages"][0], "objective": ["cross_entropy"]}],
            },
        },
        X,
        Y,
        "a recipe with a contrastive term for argument `selector`",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told(case: str) -> None:
    settings, x, y, line = WRONG[case]
    with pytest.raises(ValueError, match=line):
        SupConClassifier(**settings).fit(x, y)


def test_other_samples_than_those_of_the_training_are_refused() -> None:
    model = _small(1).fit(PICTURES[:40], Y[:40])
    with pytest.raises(ValueError, match="images of 1 channels, as in the training, but got"):
        model.predict(np.zeros((2, 8, 8, 3), np.uint8))


def test_nothing_is_hashed_to_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples to predict are checked as those of training are, but nobody asks for their digest."""
    model = SupConClassifier(epochs=1, overrides=SMALL, random_state=0).fit(PICTURES[:40], Y[:40])
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, pixels in zip(paths, PICTURES, strict=False):
        Image.fromarray(pixels).save(path)
    model.trained_.reading["mode"] = "grey"

    def asked(*arguments: Any) -> str:
        raise AssertionError("a digest of what is predicted")

    monkeypatch.setattr("data_tools.given_part.digest_of", asked)
    monkeypatch.setattr("data_tools.given_part.hash_ends", asked)
    found = [model.predict_proba(x) for x in (PICTURES[:4], list(PICTURES[:4]), paths)]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    with pytest.raises(ValueError, match="the samples"):
        model.predict(np.full((3, 8, 8, 1), np.nan, np.float32))
    with pytest.raises(AssertionError, match="digest"):
        SupConClassifier(epochs=1, overrides=SMALL).fit(PICTURES[:40], Y[:40])

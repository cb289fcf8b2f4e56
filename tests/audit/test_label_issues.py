"""Wrong labels found in one line: beside cleanlab on the same data, in every form of samples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from supcon_ext import Backbone, backbone, find_label_issues
from supcon_ext.audit.two_witnesses import judge
from supcon_ext.progress import counted_progress
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.transition import FITS

X, TRUE = load_digits(return_X_y=True)


@backbone("flat_pixels")
def flat_pixels(channels: int) -> Backbone:
    """Pixels of 8 x 8 pictures as they are."""
    from supcon_ext import OwnInput

    own = OwnInput((0.0,) * channels, (1.0,) * channels, 8)
    return Backbone(torch.nn.Flatten(), 64 * channels, own_input=own)


def noisy(seed: int, rate: float = 0.2) -> tuple[Any, Any]:
    """Labels of the digits, and which of them are wrong."""
    drawn = np.random.default_rng(seed)
    wrong = drawn.random(len(TRUE)) < rate
    return np.where(wrong, (TRUE + drawn.integers(1, 10, len(TRUE))) % 10, TRUE), wrong


def test_long_work_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_progress, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(counted_progress, "LINE_SECONDS", 0.0)
    find_label_issues(X[:300], noisy(0)[0][:300])
    told = re.findall(r"estimating .*: (\d+) of (\d+), ", capsys.readouterr().err)
    done, most = [int(each) for each, _ in told], {int(of) for _, of in told}
    assert done == list(range(1, len(done) + 1)) and len(done) >= 6
    assert most == {FITS} and len(done) <= FITS


@pytest.mark.parametrize("seed", [0, 1])
def test_beside_cleanlab_on_digits_of_which_a_fifth_are_wrong(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from cleanlab.rank import get_label_quality_scores

    given, wrong = noisy(seed)
    issues = find_label_issues(X, given)
    model = LogisticRegression(max_iter=200)
    probability = cross_val_predict(model, X / 16, given, cv=3, method="predict_proba")
    theirs = average_precision_score(wrong, -get_label_quality_scores(given, probability))
    ours = average_precision_score(wrong, -issues.trust)
    with capsys.disabled():
        print(f"\naverage precision, seed {seed}: neighbours {ours:.3f}, cleanlab {theirs:.3f}")
    assert ours > 0.98 and ours > theirs - 0.01
    assert (issues.suggested == TRUE)[wrong].mean() > 0.9
    assert wrong[issues.flagged].mean() > 0.8 and issues.flagged[wrong].mean() > 0.95


def test_it_is_the_verdict_of_the_audit() -> None:
    given, _ = noisy(0)
    issues = find_label_issues(X, given, neighbours=20)
    label = torch.from_numpy(given)
    x = torch.from_numpy(X).float()
    z = torch.nn.functional.normalize(x, dim=1)
    bank = SampleBank(torch.arange(len(z)), label, 10, z=z)
    verdict = judge(bank.neighbours(20), x, label, 10)
    assert np.array_equal(issues.trust, 1 - verdict.suspicion.numpy())
    assert np.array_equal(issues.suggested, verdict.suggested.numpy())
    assert np.array_equal(issues.order, verdict.order().numpy())
    assert (issues.order[issues.rank] == np.arange(len(z))).all()
    frame = issues.frame()
    assert frame.index.tolist() == issues.order.tolist() and frame["trust"].is_monotonic_increasing
    assert len(issues) == frame["flagged"].sum() and f"{len(issues):,} of 1,797" in repr(issues)


def test_labels_that_are_texts_are_suggested_as_texts() -> None:
    names = np.asarray("zero one two three four five six seven eight nine".split())
    given, _ = noisy(0)
    by_name = find_label_issues(X[:400], names[given[:400]])
    by_number = find_label_issues(X[:400], given[:400].tolist())
    assert (by_name.suggested == names[by_number.suggested]).mean() > 0.98  # ties go by the order
    assert by_number.suggested.dtype.kind == "i"


@pytest.mark.parametrize("form", ["arrays", "pictures", "paths", "an encoder's object"])
def test_pictures_by_an_encoder_are_judged_as_their_vectors(form: str, tmp_path: Path) -> None:
    pixels = np.round(X[:200] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    given = noisy(0)[0][:200]
    expected = find_label_issues(pixels.reshape(200, 64), given)
    encoder: Any = "flat_pixels"
    x: Any = pixels
    if form == "pictures":
        x = [Image.fromarray(each) for each in pixels]
    if form == "paths":
        x = [tmp_path / f"{number}.png" for number in range(200)]
        for path, each in zip(x, pixels, strict=True):
            Image.fromarray(each).save(path)
    if form == "an encoder's object":

        class Flat:
            def embed(self, samples: Any) -> Any:
                return samples.reshape(200, 64).astype(np.float32)

        encoder = Flat()
    found = find_label_issues(x, given, encoder=encoder, mode="grey")
    assert np.allclose(found.trust, expected.trust) and (found.flagged == expected.flagged).all()


WRONG: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "other lengths": (X, TRUE[:5], {}, "one label for each of the 1797 samples"),
    "no labels": (X, None, {}, "Expected labels"),
    "floats": (X, TRUE / 2, {}, "whole numbers or texts"),
    "not finite": (X * np.nan, TRUE, {}, "finite"),
    "one class": (X, TRUE * 0, {}, "2 classes, but got 1797 of 1"),
    "one sample": (X[:1], TRUE[:1], {}, "at least 3 samples"),
    "no neighbours": (X, TRUE, {"neighbours": 0}, "at least 1"),
    "pictures alone": (X.reshape(-1, 8, 8) / 16, TRUE, {}, "Try: encoder='timm:resnet18'"),
    "an encoder of vectors": (X, TRUE, {"encoder": "flat_pixels"}, "Try: encoder=None"),
    "an unknown encoder": (X.reshape(-1, 8, 8) / 16, TRUE, {"encoder": "no_such"}, "no_such"),
    "no encoder": (X, TRUE, {"encoder": 3}, "an object with a method `embed`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told(case: str) -> None:
    x, y, settings, line = WRONG[case]
    with pytest.raises(ValueError, match=line):
        find_label_issues(x, y, **settings)

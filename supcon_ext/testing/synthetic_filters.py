"""The contract of filters of synthetic samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from data_tools.datasets.base import Splits
from data_tools.samples import IntArray, SampleSequence, SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.features import FeatureBank
from supcon_ext.synthetic.filter import FilterInput, FilterVerdict, SyntheticFilter, asked_verdict
from supcon_ext.synthetic.filtering import filtered
from supcon_ext.synthetic.real_training import RealTraining
from supcon_ext.testing.contract import Contract, pristine

CONTRACT = Contract("synthetic_filter")
CLASSES, EACH, MADE, SIDE = 3, 24, 36, 12
NOISY = 5
"""Every so manieth real sample is not trusted."""

TOLERANCE = 1e-3
"""Of scores: sums in another order end a little otherwise, and fits a little more."""


def check_synthetic_filter(
    part: SyntheticFilter, kind: Literal["image", "vector"] = "image"
) -> None:
    """Check that a filter keeps the contract that chains and recipes rely on.

    A verdict of each sample with a score in [0, 1], and a reason where it is not kept; the same
    from a fresh instance, whatever was judged before and however samples are listed; nothing
    learnt from real samples that are not trusted, and no look at validation or test. What it leaves
    is a part of what it was given, of no higher quality. The filter is copied first and not
    changed.

    Args:
        part: The filter to check, as a recipe makes it. The synthetic samples have a class, a
            caption, parents, a quality, and a column `score` in [0, 1].
        kind: Of the samples: pictures of 12 x 12 pixels in 3 channels, or 12 numbers.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    new = pristine(part)
    synthetic, splits = _samples(kind)
    trust = np.arange(CLASSES * EACH) % NOISY > 0
    real = RealTraining.of(splits, trust)
    draws = "nothing: a verdict is the same whenever it is asked for"
    _judged(new(), synthetic, real)  # libraries that are imported at first use may draw
    with CONTRACT.class_unchanged(part):
        with CONTRACT.world(0, draws):
            one = new()
            first = _judged(one, synthetic, real)
            _judged(one, synthetic.take(np.arange(MADE // 2)), real)
            again = _judged(one, synthetic, real)
        with CONTRACT.world(1, draws):
            fresh = _judged(new(), synthetic, real)
    _expect_alike(again, first, "whatever was judged before. Try: keep nothing between verdicts")
    _expect_alike(fresh, first, "in another process. Try: draw nothing, and keep nothing")
    moved = np.random.default_rng(3).permutation(MADE)
    turned = _judged(new(), synthetic.take(moved), real)
    order = "however the synthetic samples are listed. Try: sort by what a sample is"
    _expect_alike(turned, _taken(first, moved), order)
    _expect_alike(*_with_real_moved(new, synthetic, splits, trust, first))
    _expect_untrusted_unseen(new, synthetic, splits, trust, first)
    _expect_a_part(new(), synthetic, real)


def _judged(part: SyntheticFilter, synthetic: SyntheticSet, real: RealTraining) -> FilterVerdict:
    before = _numbers(synthetic, real)
    bank = FeatureBank(synthetic, real)
    with CONTRACT.border():
        verdict = asked_verdict(part, FilterInput(synthetic, real, bank, np.arange(len(synthetic))))
    CONTRACT.expect(
        all(np.array_equal(a, b) for a, b in zip(before, _numbers(synthetic, real), strict=True)),
        "samples and what is known of them must be left as they are. Try: copy them first",
    )
    return verdict


def _numbers(synthetic: SyntheticSet, real: RealTraining) -> list[npt.NDArray[Any]]:
    held: list[npt.NDArray[Any]] = [
        synthetic.label,
        synthetic.caption,
        synthetic.parent,
        synthetic.quality,
    ]
    held += [*synthetic.columns.values(), real.samples.label, real.trusted]
    held += [np.stack([synthetic[place] for place in range(len(synthetic))])]
    return [column.copy() for column in held]


def _expect_alike(found: FilterVerdict, wanted: FilterVerdict, when: str) -> None:
    near = np.abs(found.score - wanted.score) <= TOLERANCE
    same = near.all() and np.array_equal(found.kept, wanted.kept)
    CONTRACT.expect(
        bool(same and (found.reason == wanted.reason).all()), f"verdicts must be the same {when}"
    )


def _taken(verdict: FilterVerdict, index: IntArray) -> FilterVerdict:
    return FilterVerdict(verdict.score[index], verdict.kept[index], verdict.reason[index])


def _with_real_moved(
    new: Any, synthetic: SyntheticSet, splits: Splits, trust: npt.NDArray[Any], first: FilterVerdict
) -> tuple[FilterVerdict, FilterVerdict, str]:
    moved = np.random.default_rng(4).permutation(CLASSES * EACH)
    place = np.argsort(moved)
    parent = np.where(synthetic.parent < 0, -1, place[synthetic.parent])
    train = replace(splits.train.take(moved), origin=None)
    real = RealTraining.of(replace(splits, train=train), trust[moved])
    found = _judged(new(), replace(synthetic, parent=parent), real)
    return found, first, "however the real samples are listed"


def _expect_untrusted_unseen(
    new: Any, synthetic: SyntheticSet, splits: Splits, trust: npt.NDArray[Any], first: FilterVerdict
) -> None:
    """Other labels and other pictures of those that are not trusted change nothing."""
    train = splits.train
    label = np.where(trust, train.label, (train.label + 1) % CLASSES)
    samples = np.stack([train[place] for place in range(len(train))])
    samples[~trust] = samples[~trust][::-1] // 2 if samples.dtype == np.uint8 else 7.0
    other = SampleSet(samples, label, train.classes, spec=train.spec)
    found = _judged(new(), synthetic, RealTraining.of(replace(splits, train=other), trust))
    _expect_alike(found, first, "whatever the real samples are that are not trusted")


def _expect_a_part(part: SyntheticFilter, synthetic: SyntheticSet, real: RealTraining) -> None:
    try:
        left, report = filtered(synthetic, [part], real)
    except ValueError as error:
        CONTRACT.expect(
            "but 0 of" in str(error), f"a chain of the filter alone cannot be run: {error}"
        )
        return
    given = synthetic.quality[report.kept]
    CONTRACT.expect(
        len(left) <= len(synthetic) and bool((left.quality <= given).all()),
        "what is left must be a part of what was given, of no higher quality",
    )


class _Sealed(SampleSequence):
    """Samples of validation or test, which nobody may read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        raise AssertionError(
            "synthetic_filter contract: nothing may be fitted on validation or test, but a sample "
            "of theirs was read. Try: `data.real` alone"
        )


def _samples(kind: str) -> tuple[SyntheticSet, Splits]:
    """Real samples of three classes that can be told apart, and synthetic ones, some off."""
    drawn = np.random.default_rng(0)
    label = np.arange(CLASSES * EACH) % CLASSES
    made_label = np.arange(MADE) % CLASSES
    shown = np.where(np.arange(MADE) % 6 == 5, (made_label + 1) % CLASSES, made_label)
    samples, made = _drawn(kind, label, drawn), _drawn(kind, shown, drawn)
    parent = np.where(np.arange(MADE) % 4 == 0, np.arange(MADE) + 3 - np.arange(MADE) % 3, -1)
    parent = np.where(parent % NOISY == 0, -1, parent)
    made[1] = 0 if kind == "image" else made[1][0]
    made[7], made[8] = made[4], samples[parent[8]] if parent[8] >= 0 else made[8]
    classes = tuple(f"class {each}" for each in range(CLASSES))
    train = SampleSet(samples, label, classes)
    sealed = SampleSet(_Sealed(6), np.arange(6) % CLASSES, classes, spec=train.spec)
    synthetic = SyntheticSet.of(
        made,
        train.spec,
        classes,
        label=np.where(np.arange(MADE) == 20, -1, made_label),
        captions=[f"a {place % 3} on a {place // 18}" for place in range(MADE)],
        parent=parent,
        quality=(1 + np.arange(MADE) * 7 % MADE) / MADE,
        columns={"score": drawn.random(MADE), "path": np.array([f"{n}.png" for n in range(MADE)])},
    )
    return synthetic, Splits(train, sealed, truth_known=False, validation=sealed)


def _drawn(kind: str, label: IntArray, drawn: np.random.Generator) -> npt.NDArray[Any]:
    if kind == "vector":
        centres = np.eye(12, dtype=np.float32)[:CLASSES] * 3
        return centres[label] + drawn.normal(0, 0.6, (len(label), 12)).astype(np.float32)
    noise = drawn.integers(0, 90, (len(label), SIDE, SIDE, 3), dtype=np.uint8)
    for place, each in enumerate(label.tolist()):
        noise[place, 4 * each : 4 * each + 4] += 120
    return noise

"""The contracts of data sets, noise and imbalance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from data_tools.border import check_array, check_type
from data_tools.datasets.base import Splits
from data_tools.input_spec import InputSpec
from data_tools.noise.base import NoisyLabels
from data_tools.samples import IntArray, SampleSet
from supcon_ext.testing.contract import Contract

DATASET, NOISE, IMBALANCE = Contract("dataset"), Contract("noise"), Contract("imbalance")
DRAWS = "np.random.default_rng with a `seed` of the recipe"


def check_dataset(dataset: Callable[[], Splits]) -> None:
    """Check that a data set keeps the contract that experiments rely on.

    Images ``(H, W, C)`` of the spec's channels and type, or vectors ``(F,)`` or ``(V, F)``, the
    same when read again; the same samples and labels whenever it is made, with no draw from a
    global generator.

    Args:
        dataset: Makes the data set; a recipe's parameters are filled in.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    made = []
    dataset()
    for number in (0, 1):
        with DATASET.world(number, DRAWS):
            made.append(dataset())
        with DATASET.border():
            check_type("a dataset", "what is made", made[-1], Splits, "Source(train, test, ...)")
    for name in ("train", "validation", "test"):
        first, second = (getattr(source, name) for source in made)
        if first is None:
            DATASET.expect(second is None, f"the {name} set must be there each time or never")
            continue
        with DATASET.border():
            check_array("a dataset", "labels", first.label, (None,), ("int",))
        DATASET.expect(
            np.array_equal(first.label, second.label) and first.classes == second.classes,
            f"labels and classes of the {name} set must be the same each time. Try: {DRAWS}, and "
            "files in the order of their names",
        )
        for index in {0, len(first) // 2, len(first) - 1} if len(first) else set():
            image = first[index]
            spec = first.spec
            axes = 3 if spec.kind == "image" else min(max(np.ndim(image), 1), 2)
            said = "(H, W, C)" if spec.kind == "image" else "(F,) or (V, F)"
            with DATASET.border():
                shape = (None,) * axes
                check_array("a dataset", f"an {spec.kind}", image, shape, ("int", "float"))
            DATASET.expect(
                image.dtype == spec.dtype and image.shape[-1] == spec.channels,
                f"a sample must be what the spec says, a {spec.dtype} array {said} whose last axis "
                f"is {spec.channels}, but got {image.dtype} {image.shape}",
            )
            again = np.array_equal(image, first[index])
            other = np.array_equal(image, second[index])
            DATASET.expect(again and other, f"image {index} must be the same when read again")


def check_noise(noise: Callable[[SampleSet], NoisyLabels], train: SampleSet | None = None) -> None:
    """Check that a noise model keeps the contract that experiments rely on.

    Given labels in range and true ones that are the data set's, -1 for images of no class; the same
    each time, with no draw from a global generator; an input that is left as it is.

    Args:
        noise: Adds noise to the labels of training images; a recipe's parameters are filled in.
        train: Images to try it on; None takes 200 of ten classes.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    shown = _images() if train is None else train
    noise(replace(shown, label=shown.label.copy()))
    label, made = shown.label.copy(), []
    for number in (0, 1):
        with NOISE.world(number, DRAWS):
            made.append(noise(shown))
        with NOISE.border():
            check_type("a noise", "what is made", made[-1], NoisyLabels)
            check_array("a noise", "given labels", made[-1].label, (len(shown),), ("int",))
            check_array("a noise", "true labels", made[-1].truth, (len(shown),), ("int",))
    unchanged = np.array_equal(label, shown.label)
    NOISE.expect(unchanged, "the data set's labels must be left as they are. Try: label.copy()")
    first, second = made
    inside = bool(((first.label >= 0) & (first.label < len(shown.classes))).all())
    NOISE.expect(inside, f"given labels must be in [0, {len(shown.classes)})")
    right = (first.truth == label) | (first.truth == -1)
    NOISE.expect(bool(right.all()), "true labels must be the data set's, or -1 for no class")
    NOISE.expect(
        np.array_equal(first.label, second.label) and np.array_equal(first.truth, second.truth),
        f"labels must be the same each time. Try: {DRAWS}",
    )


def check_imbalance(imbalance: Callable[[IntArray, int], IntArray]) -> None:
    """Check that an imbalance keeps the contract that experiments rely on.

    Positions of images, each once and ascending, some of every class; the same each time, with no
    draw from a global generator; an input that is left as it is.

    Args:
        imbalance: Chooses images by their labels; a recipe's parameters are filled in.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    label, made = _images().label, []
    kept = label.copy()
    imbalance(label.copy(), 10)
    for number in (0, 1):
        with IMBALANCE.world(number, DRAWS):
            made.append(imbalance(label, 10))
        with IMBALANCE.border():
            check_array("an imbalance", "positions", made[-1], (None,), ("int",))
    first = made[0]
    IMBALANCE.expect(np.array_equal(first, made[1]), f"the choice must be the same. Try: {DRAWS}")
    IMBALANCE.expect(
        bool((np.diff(first) > 0).all()) and first.min() >= 0 and first.max() < len(label),
        "positions must be ascending, each once, and inside the data set. Try: np.sort",
    )
    every = len(np.unique(label[first])) == 10
    IMBALANCE.expect(every, "some images of every class must be kept")
    IMBALANCE.expect(np.array_equal(label, kept), "labels must be left as they are")


def _images() -> SampleSet:
    drawn = np.random.default_rng(0)
    images = drawn.integers(0, 256, (200, 8, 8, 1), np.uint8)
    label = np.arange(200, dtype=np.int64) % 10
    names = tuple(str(digit) for digit in range(10))
    return SampleSet(images, label, names, spec=InputSpec.of(images, flips=False))

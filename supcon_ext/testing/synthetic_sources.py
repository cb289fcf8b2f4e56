"""The contract of sources of synthetic samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data_tools.datasets.base import Splits
from data_tools.input_spec import InputSpec
from data_tools.prepared import PreparedData, prepare_data
from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.source import SyntheticSource, made_by
from supcon_ext.testing.contract import Contract, pristine, same

CONTRACT = Contract("synthetic_source")
DRAWS = "np.random.default_rng(seed)"
SEED = 3


def check_synthetic_source(source: SyntheticSource, real: PreparedData | None = None) -> None:
    """Check that a source keeps the contract that recipes rely on.

    Samples of the kind of the real ones, beside the same classes, with parents in the training set;
    the same for the same seed, in any process, with no draw from a global generator; nothing that
    depends on validation or test; real samples that are left as they are. The source is copied
    first and not changed.

    Args:
        source: The source to check, as a recipe makes it.
        real: What its samples stand beside; None takes 60 grey pictures of three classes.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    new = pristine(source)
    beside = _real() if real is None else real
    before = _real_values(beside)
    made = [_made(new(), beside)]
    with CONTRACT.class_unchanged(source):
        for number in (0, 1):
            with CONTRACT.world(number, DRAWS):
                made.append(_made(new(), beside))
    for again in made[1:]:
        CONTRACT.expect(
            _told(made[0]) == _told(again),
            f"samples and what is known of them must be the same for the same seed. Try: {DRAWS}",
        )
    alone = _made(new(), replace(beside, validation=None, validation_origin=None, test=None))
    CONTRACT.expect(
        _told(made[0]) == _told(alone),
        "nothing may depend on validation or test samples. Try: `real.train` alone",
    )
    CONTRACT.expect(
        same(before, _real_values(beside)),
        "real samples and labels must be left as they are. Try: copy them first",
    )


def _made(source: SyntheticSource, real: PreparedData) -> SyntheticSet:
    with CONTRACT.border():
        made = made_by(source, real, SEED)
    CONTRACT.expect(len(made) > 0, "there must be at least one sample")
    spec = made.spec
    for place in {0, len(made) // 2, len(made) - 1}:
        sample = made[place]
        axes = (3,) if spec.kind == "image" else (1, 2)
        CONTRACT.expect(
            sample.ndim in axes
            and sample.dtype == spec.dtype
            and sample.shape[-1] == spec.channels,
            f"a sample must be what its spec says, a {spec.dtype} array of {axes[0]} axes whose "
            f"last is {spec.channels}, but got {sample.dtype} {sample.shape}",
        )
        again = np.array_equal(sample, made[place])
        CONTRACT.expect(again, f"sample {place} must be the same when read again")
    return made


def _told(made: SyntheticSet) -> list[object]:
    """All that is known of the samples, as plain values."""
    columns = {name: column.tolist() for name, column in made.columns.items()}
    known: list[np.ndarray] = [made.label, made.caption, made.parent, made.quality]
    pixels = [made[place].tolist() for place in range(len(made))]
    return [pixels, made.captions, *(column.tolist() for column in known), columns]


def _real_values(real: PreparedData) -> list[np.ndarray]:
    """Copies of all real samples and labels."""
    parts = [part for part in (real.train, real.validation, real.test) if part is not None]
    samples = [np.copy(part[place]) for part in parts for place in range(len(part))]
    return [*samples, *(part.label.copy() for part in parts)]


def _real() -> PreparedData:
    drawn = np.random.default_rng(0)

    def part(count: int) -> SampleSet:
        images = drawn.integers(0, 256, (count, 8, 8, 1), np.uint8)
        spec = InputSpec.of(images, flips=False)
        return SampleSet(images, np.arange(count) % 3, ("ant", "bee", "cat"), spec=spec)

    return prepare_data(Splits(part(60), part(9), truth_known=True), validation=0.1)

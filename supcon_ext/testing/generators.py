"""The contract of generators."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray, SampleSet
from data_tools.synthetic_set import UNKNOWN
from supcon_ext.synthetic.generator import Asked, Generator
from supcon_ext.testing.contract import Contract, pristine

CONTRACT = Contract("generator")
SEED, EACH = 3, 3
DRAWS = "`draws_of(seed, what, k)`, or `image_seed` for torch"


def check_generator(generator: Generator, real: SampleSet | None = None) -> None:
    """Check that a generator keeps the contract that sources and ``supcon generate`` rely on.

    Samples of the set's kind, type and channels; each the same whatever the order and whatever is
    asked for beside it, from an instance that was fitted anew, and from one that was saved and
    loaded; untrusted samples are neither read nor parents; no draw from a global generator; a set
    that is left as it is. The generator is copied first and not changed.

    Args:
        generator: The generator to check, as a recipe makes it.
        real: Samples to fit it on, at least four of each class; None takes small pictures.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    real = _pictures() if real is None else real
    new = pristine(generator)
    trust = torch.tensor([float(i % 4 != 1) for i in range(len(real))])
    _fitted(new, real, trust, 0)  # libraries that are imported at first use may draw
    first = _fitted(new, real, trust, 0)
    asked = [Asked(c, k) for k in range(EACH) for c in range(len(real.classes)) if first.makes(c)]
    asked += [Asked(text, 0) for c, _ in asked[:2] for text in first.captions_of(int(c))[:1]]
    CONTRACT.expect(len(asked) > 0, "it must make samples of a class that it has seen")
    with CONTRACT.world(0, DRAWS), CONTRACT.border():
        made = first.samples(asked, SEED)
    _check_samples(made, asked, first.spec)
    CONTRACT.expect(
        any(not np.array_equal(made[0], other) for other in made[1:]), "samples must differ"
    )
    with CONTRACT.world(1, DRAWS):
        back = first.samples(asked[::-1], SEED)[::-1]
        alone = [first.sample(*asked[i], SEED) for i in (0, len(asked) - 1)]
    _same(made, back, "the order in which samples are asked for")
    _same([made[0], made[-1]], alone, "what else is asked for at the same time")
    again = _fitted(new, real, trust, 1)
    _same(made, again.samples(asked, SEED), "anything but the set, the trust and the seed of `fit`")
    _same(made, _through_file(first, new(), asked), "whether it was saved and loaded")
    others = first.samples(asked, SEED + 1)
    CONTRACT.expect(
        any(not np.array_equal(a, b) for a, b in zip(made, others, strict=True)),
        "another seed must give other samples",
    )
    for what, k in asked:
        parent = first.parent_of(what, k, SEED)
        CONTRACT.expect(
            parent == UNKNOWN or (0 <= parent < len(real) and bool(trust[parent] > 0.5)),
            f"a parent must be a trusted sample of the set, or -1, but got {parent}",
        )


def _fitted(
    new: Callable[[], Generator], real: SampleSet, trust: torch.Tensor, world: int
) -> Generator:
    one, kept = new(), real.label.copy()
    guarded = SampleSet(_Guarded(real, trust), real.label, real.classes, real.columns, real.spec)
    with CONTRACT.world(world, "seeded_generator(seed, ...) or seeded_weights"), CONTRACT.border():
        one.fit(guarded, trust, seed=SEED)
    CONTRACT.expect(np.array_equal(real.label, kept), "labels must be left as they are")
    return one


class _Guarded:
    """Samples of which only the trusted ones may be read."""

    def __init__(self, real: SampleSet, trust: torch.Tensor) -> None:
        self._real, self._trust = real, trust

    def __len__(self) -> int:
        return len(self._real)

    def __getitem__(self, index: int) -> ImageArray:
        CONTRACT.expect(
            bool(self._trust[index] > 0.5),
            f"it must be fitted on trusted samples alone, but read sample {index}. Try: `trusted`",
        )
        return self._real[index].copy()


def _check_samples(made: list[ImageArray], asked: list[Asked], spec: InputSpec) -> None:
    CONTRACT.expect(len(made) == len(asked), f"{len(asked)} samples, but got {len(made)}")
    axes = (1, 2) if spec.kind == "vector" else (3,)
    for sample in made:
        fits = isinstance(sample, np.ndarray) and sample.ndim in axes
        CONTRACT.expect(
            fits and sample.dtype == spec.dtype and sample.shape[-1] == spec.channels,
            f"a sample must be what the set's are, a {spec.dtype} array of {spec.channels} "
            f"{'channels' if spec.kind == 'image' else 'coordinates'}, but got "
            f"{getattr(sample, 'dtype', type(sample).__name__)} {np.shape(sample)}",
        )
        CONTRACT.expect(bool(np.isfinite(sample).all()), "a sample must be of finite numbers")


def _same(made: list[ImageArray], other: list[ImageArray], what: str) -> None:
    for first, second in zip(made, other, strict=True):
        CONTRACT.expect(
            np.array_equal(first, second),
            f"a sample must follow from what is asked for, its number and the seed, not from "
            f"{what}. Try: {DRAWS}; batches of one size; parameters kept as attributes",
        )


def _through_file(fitted: Generator, fresh: Generator, asked: list[Asked]) -> list[ImageArray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.pt"
        try:
            fitted.save(path)
            fresh.load(path)
            return fresh.samples(asked, SEED)
        except Exception as error:
            raise AssertionError(
                "generator contract: what it was fitted to must be saved and loaded, but that "
                f"gives {type(error).__name__}: {error}. Try: `state` and `load_state`, with "
                "tensors, numbers, texts, lists and dictionaries"
            ) from error


def _pictures() -> SampleSet:
    drawn = np.random.default_rng(0)
    label = np.arange(48, dtype=np.int64) % 4
    images = drawn.integers(0, 60, (48, 8, 8, 3), np.uint8)
    for i, c in enumerate(label):
        images[i, 2 * c : 2 * c + 2] += 150
    names = ("circle", "square", "triangle", "star")
    return SampleSet(images, label, names, spec=InputSpec.of(images))

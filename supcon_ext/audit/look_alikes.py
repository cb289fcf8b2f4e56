"""Samples that are there twice: the same numbers, or pictures that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_tools.perceptual_hash import Hash, joined, near_pairs, perceptual_hashing
from data_tools.pixel_digest import digest_of, flat
from data_tools.samples import IntArray
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.progress.console import ConsoleProgress

NO_HASHES = "near-duplicates are not looked for, those of the same pixels are"


@dataclass(frozen=True)
class Alike:
    """Samples that are alike.

    Attributes:
        members: Numbers of two samples or more, the lowest first.
        bits: By how many of 64 bits each differs from the first; 0 where its numbers are the same.
        same: Whether each has the very numbers of the first.
        label_differs: Whether two of them have different labels.
        splits: Names of the splits that they are in.
    """

    members: list[int]
    bits: list[int]
    same: list[bool]
    label_differs: bool
    splits: tuple[str, ...]

    @property
    def across(self) -> bool:
        """Whether they are in more than one split."""
        return len(self.splits) > 1


def find_alike(
    samples: AuditedSamples, numbers: Sequence[int], progress: ConsoleProgress
) -> list[Alike]:
    """Groups of samples that are alike: across splits first, then with different labels.

    Pictures are compared by their pixels and by their perceptual hash; vectors by their numbers.
    Pictures of one colour have no such hash.

    Args:
        samples: All of the run's.
        numbers: Of those to compare.
        progress: Sees each.
    """
    hashed = None
    if samples.train.spec.kind == "image":
        try:
            hashed = perceptual_hashing(NO_HASHES)
        except ModuleNotFoundError as error:
            progress.warn(str(error))
    progress.start_stage("comparing", 1, len(numbers))
    digests: list[str] = []
    bits = np.zeros((len(numbers), 64), dtype=bool)
    has_bits = np.zeros(len(numbers), dtype=bool)
    for place, number in enumerate(numbers):
        sample = samples.sample(number)
        digests.append(digest_of(sample))
        if hashed is not None and not flat(sample):
            bits[place], has_bits[place] = hashed(sample), True
        progress.step()
    group = _groups(digests, bits, has_bits)
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    label, split = samples.label, samples.split
    found = []
    for part in parts:
        if len(part) < 2:
            continue
        members = [numbers[place] for place in part]
        found.append(
            Alike(
                members=members,
                bits=[int((bits[place] ^ bits[part[0]]).sum()) for place in part],
                same=[digests[place] == digests[part[0]] for place in part],
                label_differs=len({int(label[i]) for i in members}) > 1,
                splits=tuple(dict.fromkeys(split[i] for i in members)),
            )
        )
    return sorted(found, key=lambda alike: (not alike.across, not alike.label_differs))


def _groups(digests: list[str], bits: Hash, has_bits: Hash) -> IntArray:
    """``(N,)`` number of the group of each sample."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(digest, place), place) for place, digest in enumerate(digests)]
    hashed = np.flatnonzero(has_bits & np.array([a == b for a, b in pairs], dtype=bool))
    one, other = near_pairs(bits[hashed])
    same = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return joined(
        len(digests),
        np.concatenate([same[:, 0], hashed[one]]),
        np.concatenate([same[:, 1], hashed[other]]),
    )

"""A plug-in: a selector that doubts and drops some, and a generator that writes what it saw."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.samples import IntArray, SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext import FilterVerdict, PositiveSelector, SyntheticFilter, selector, synthetic_filter
from supcon_ext.losses import PairTile
from supcon_ext.selectors import Role, SampleBank, Selection
from supcon_ext.synthetic.generator import Asked, Generator, generator
from supcon_ext.synthetic.source import SyntheticSource, synthetic_source

SEEN = "seen.jsonl"


def doubted(count: int) -> IntArray:
    """Places of the samples that the selector does not trust, or drops."""
    places = np.arange(count)
    return places[(places % 3 == 0) | (places % 7 == 0)]


@selector("doubts_some")
class DoubtsSome(PositiveSelector):
    """Doubts each third sample, and drops each seventh though it trusts it."""

    requires = frozenset({"features"})

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        """The same at every epoch."""
        place = bank.label.new_tensor(range(len(bank.label)))
        trust = 1 - 0.8 * (place % 3 == 0).float()
        chosen = Selection.of(bank.label, trust)
        role = chosen.role.clone()
        role[place % 7 == 0] = int(Role.DROPPED)
        return replace(chosen, role=role)

    def targets(self, pairs: PairTile) -> Any:
        """Same label."""
        return pairs.same("label")


@generator("remembering")
class Remembering(Generator):
    """Copies of what it was fitted on; each fit adds a line to a file: process and places."""

    def __init__(self, file: str = SEEN) -> None:
        self.file = file

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Any) -> None:
        with Path(self.file).open("a") as file:
            file.write(json.dumps([os.environ.get("RANK", "0"), trusted.tolist()]) + "\n")
        self.of_class = {int(real.label[place]): real[int(place)] for place in trusted}

    def _make(self, asked: Sequence[Asked], seed: int) -> Sequence[Any]:
        return [self.of_class[int(what)] // 2 + k for what, k in asked]


@synthetic_filter("remembers")
class Remembers(SyntheticFilter):
    """Keeps every second sample; each call adds a line to the file."""

    def judge(self, data: Any) -> FilterVerdict:
        """By place."""
        with Path(SEEN).open("a") as file:
            file.write(json.dumps([os.environ.get("RANK", "0"), "filter"]) + "\n")
        odd = np.arange(len(data.synthetic)) % 2 == 1
        return FilterVerdict.of((~odd).astype(float), {"it is odd": odd})


class Unsendable:
    """Samples that hold what pickle refuses."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples
        self.reader = lambda place: samples[place]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: int) -> Any:
        return self.reader(place)


@synthetic_source("not_to_be_sent")
class NotToBeSent(SyntheticSource):
    """The training samples once more."""

    def make(self, real: Any, seed: int, progress: Any = None) -> SyntheticSet:
        """Held by what cannot go to another process."""
        train = real.train
        return SyntheticSet.of(Unsendable(train), train.spec, train.classes, label=train.label)

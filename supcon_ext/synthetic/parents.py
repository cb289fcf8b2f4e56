"""Real samples as synthetic ones name them: by a path, or by a place in the training set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from data_tools.class_names import is_whole_number
from data_tools.prepared import PreparedData
from data_tools.source_check import files_of


class Parent(NamedTuple):
    """A real sample.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        place: In that split as the experiment has it.
    """

    split: str
    place: int


class Parents:
    """Finds real samples by what a manifest calls them.

    A path is absolute, or relative to the root of the real data set, or else to any folder above
    all of its images, the nearest first. A whole number that is no path is a place in the training
    set as its source has it, before imbalance and the validation split.

    Args:
        real: The data set.
    """

    def __init__(self, real: PreparedData) -> None:
        parts = {"train": real.train, "validation": real.validation, "test": real.test}
        self._by_path: dict[str, Parent] = {}
        roots: list[str] = []
        for split in ("test", "validation", "train"):  # a file in two of them is held out
            part = parts[split]
            if part is None or "path" not in part.columns:
                continue
            for place, path in enumerate(part.columns["path"].tolist()):
                self._by_path.setdefault(os.path.abspath(str(path)), Parent(split, place))
            files = files_of(part)
            if files is not None and files[0].inside is not None:
                roots.append(os.path.abspath(files[0].inside))
        if self._by_path:
            common = Path(os.path.commonpath([os.path.dirname(path) for path in self._by_path]))
            roots += [str(folder) for folder in (common, *common.parents)]
        self._roots = list(dict.fromkeys([*roots, os.getcwd()]))
        held = real.validation_origin
        self._by_index = {
            int(index): Parent("validation", place)
            for place, index in enumerate([] if held is None else held.tolist())
        }
        self._by_index |= {
            int(index): Parent("train", place) for place, index in enumerate(real.origin.tolist())
        }

    def find(self, name: str) -> Parent | None:
        """The sample, or None: the data set does not have it, or imbalance left it out."""
        if self._by_path:
            for root in self._roots:
                found = self._by_path.get(os.path.normpath(os.path.join(root, name)))
                if found is not None:
                    return found
        return self._by_index.get(int(name)) if is_whole_number(name) else None

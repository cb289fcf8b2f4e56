"""The same picture in training and test, under two labels, or twice in a class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_tools.printable import printable

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """One image of a data set.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        name: What it is called: its path, or its index.
        label: Name of its class.
        content: Equal for two images exactly when their contents are.
    """

    split: str
    name: str
    label: str
    content: str


def find_duplicates(entries: Iterable[Listed]) -> list[str]:
    """A line for each kind of duplicates that there are, with counts and the first examples."""
    by_content: dict[str, list[Listed]] = defaultdict(list)
    for entry in entries:
        by_content[entry.content].append(entry)
    groups = [group for group in by_content.values() if len(group) > 1]
    across = [group for group in groups if len({entry.split for entry in group}) > 1]
    labels = [group for group in groups if len({entry.label for entry in group}) > 1]
    twice = [
        group
        for group in groups
        if len({(entry.split, entry.label) for entry in group}) < len(group)
    ]
    lines = []
    if across:
        splits = sorted({entry.split for group in across for entry in group}, key=_SPLITS.index)
        lines.append(
            f"{_pictures(across)} in more than one of {', '.join(splits)}: {_examples(across)}"
        )
    if labels:
        lines.append(f"{_pictures(labels)} under more than one label: {_examples(labels, True)}")
    if twice:
        extra = sum(
            len(group) - len({(entry.split, entry.label) for entry in group}) for group in twice
        )
        lines.append(
            f"{_pictures(twice)} more than once in a class ({extra} copies): {_examples(twice)}"
        )
    return lines


_SPLITS = ("train", "validation", "test")


def _pictures(groups: Sequence[object]) -> str:
    return "1 picture is" if len(groups) == 1 else f"{len(groups):,} pictures are"


def _examples(groups: Sequence[Sequence[Listed]], with_label: bool = False) -> str:
    shown = []
    for group in groups[:EXAMPLES]:
        names = [
            printable(f"{entry.name} ({entry.label})" if with_label else entry.name)
            for entry in group[:EXAMPLES]
        ]
        shown.append(" = ".join([*names, *(["..."] if len(group) > EXAMPLES else [])]))
    return "; ".join([*shown, *(["..."] if len(groups) > EXAMPLES else [])])

"""A part of a sweep: its runs with some choices on some axes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from supcon_ext.recipe.problems import nearest
from supcon_ext.sweep.plan import Child

SEED = "seed"
"""The axis of the seeds, unless the grid has one of that name."""


def chosen(children: Sequence[Child], only: Sequence[str]) -> list[Child]:
    """The runs that ``AXIS=CHOICE`` names, in the order of the sweep.

    Args:
        children: All runs of a sweep.
        only: ``method=bcl``, ``data.noise.rate=0.4`` or ``seed=1``. Choices on one axis add to each
            other; a run is chosen that has a choice on each axis named. With none all runs are.

    Raises:
        ValueError: The grid has no such axis, or the axis no such choice.
    """
    wanted: dict[str, set[str]] = {}
    axes = _choices(children)
    for text in only:
        axis, equals, choice = text.partition("=")
        if not equals:
            raise ValueError(f"Expected AXIS=CHOICE of --only, but got `{text}`. {_example(axes)}")
        if axis not in axes:
            raise ValueError(
                f"Expected an axis of the grid in --only {text}, but got `{axis}`. "
                + _meant(axis, list(axes))
            )
        if choice not in axes[axis]:
            raise ValueError(
                f"Expected a choice on the axis {axis} in --only {text}, but got `{choice}`. "
                + _meant(choice, axes[axis])
            )
        wanted.setdefault(axis, set()).add(choice)
    return [
        child
        for child in children
        if all(_places(child)[axis] in choices for axis, choices in wanted.items())
    ]


def _choices(children: Sequence[Child]) -> dict[str, list[str]]:
    """By axis its choices, each once, in the order of the sweep."""
    places = [_places(child) for child in children]
    return {axis: list(dict.fromkeys(place[axis] for place in places)) for axis in places[0]}


def _places(child: Child) -> dict[str, str]:
    """A run's choice on each axis, as it is typed."""
    return {SEED: str(child.seed)} | {a: _typed(choice) for a, choice in child.variant.items()}


def _typed(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)


def _meant(word: str, words: Sequence[str]) -> str:
    near = nearest(word, words)
    return f"Did you mean `{near}`?" if near else f"(there are: {', '.join(words)})"


def _example(axes: dict[str, list[str]]) -> str:
    axis, choices = list(axes.items())[-1]
    return f"Try: --only {axis}={choices[0]}"

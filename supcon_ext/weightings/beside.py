"""A weighting that stands beside a selector."""

from __future__ import annotations

from supcon_ext.selectors.base import PositiveSelector
from supcon_ext.weightings.base import Weighting
from supcon_ext.weightings.base import weighting as weightings


def weighting_beside(selector: PositiveSelector, weighting: Weighting | str) -> Weighting:
    """The weighting, or the one that a name stands for.

    Args:
        selector: Gives what some weightings need.
        weighting: Object or name.

    Raises:
        ValueError: The selector does not give what the weighting needs.
    """
    made = weightings.make(weighting)
    missing = made.requires - selector.provides
    if missing:
        raise ValueError(
            f"Expected a selector that gives {', '.join(sorted(missing))} beside weighting "
            f"{type(made).__name__}, but {type(selector).__name__} does not. "
            "Try: another selector, or the hard form"
        )
    return made

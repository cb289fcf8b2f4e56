"""What a step passes through networks: each term says what it asks for; what is shared is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PLAIN = "plain"

Passing = Literal["student", "twin", "peer"]
"""The network that is trained, its EMA twin, the second network that a term trains."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass that a term asks for in every step.

    Attributes:
        network: Which network makes it.
        inputs: What of the rows it sees, in a word: they as they are, or mixed, or with holes.
        views: The view group whose rows it sees; None for all.
        share: The share of these rows, where the pass is the term's own; None for a pass over all
            of them that is shared with every term that asks for the same.
    """

    network: Passing = "student"
    inputs: str = PLAIN
    views: str | None = None
    share: float | None = None


def mixed_pass(mixup: float, cutmix: float = 0.0) -> Pass:
    """The pass over mixed inputs, which terms with the same numbers share."""
    if not (mixup or cutmix):
        return Pass()
    return Pass(inputs=f"mixed by {float(mixup)} and {float(cutmix)}")


def covered(own: Pass, asked: Iterable[Pass]) -> bool:
    """Whether a shared pass of those asked for sees all that a term would pass for itself."""
    return any(
        each.share is None
        and (each.network, each.inputs) == (own.network, own.inputs)
        and each.views in (None, own.views)
        for each in asked
    )


def times_passed(asked: Iterable[Pass], group: str) -> dict[Passing, float]:
    """How often each network sees the rows of a view group in a step.

    Args:
        asked: By all terms.
        group: Its name.
    """
    seen = [each for each in asked if each.views in (None, group)]
    shared = {(each.network, each.inputs) for each in seen if each.share is None}
    times: dict[Passing, float] = {"student": 0.0, "twin": 0.0, "peer": 0.0}
    for network, _ in shared:
        times[network] += 1
    for each in seen:
        if each.share is not None and not covered(each, seen):
            times[each.network] += each.share
    return times

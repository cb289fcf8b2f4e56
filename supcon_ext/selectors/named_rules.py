"""Which classes' images carry which other label as a rule, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from data_tools.printable import printable
from supcon_ext.selectors.rule import LEAST


@dataclass(frozen=True, slots=True)
class Rule:
    """Images of a class, many of which carry another label.

    Attributes:
        name: The class.
        label: The label.
        share: About which share of the class's images carry it.
    """

    name: str
    label: str
    share: float


def rules_of(transition: Tensor | None, classes: Sequence[str]) -> list[Rule]:
    """The other labels that classes carry as a rule, the largest shares first.

    Args:
        transition: ``(C, C)`` how often each class is given each label, with nothing but a rule;
            None where wrong labels have none.
        classes: Names of C classes.
    """
    if transition is None:
        return []
    found = [
        Rule(classes[of], classes[label], float(transition[of, label]))
        for of, label in (transition >= LEAST).nonzero().tolist()
        if of != label
    ]
    return sorted(found, key=lambda each: -each.share)


def told_rules(rules: Sequence[Rule], shown: int = 10) -> str:
    """A line on them.

    Args:
        rules: One at least.
        shown: How many are told.
    """
    told = [
        f"about {each.share:.0%} of {printable(each.name)} carry {printable(each.label)}"
        for each in rules[:shown]
    ]
    more = f" and {len(rules) - shown:,} more" if len(rules) > shown else ""
    return f"Wrong labels have a rule: {', '.join(told)}{more}"

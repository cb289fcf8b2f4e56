"""Many-, medium- and few-shot classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray


@dataclass(frozen=True)
class ShotGroups:
    """A division of the classes, and the rule that made it.

    Attributes:
        many: Numbers of the classes with many training images.
        medium: Those in between.
        few: Those with few.
        rule: The rule, in words.
    """

    many: tuple[int, ...]
    medium: tuple[int, ...]
    few: tuple[int, ...]
    rule: str

    def sizes(self) -> dict[str, int]:
        """Number of classes in each group."""
        return {"many": len(self.many), "medium": len(self.medium), "few": len(self.few)}

    def means(self, per_class: npt.NDArray[np.float64]) -> dict[str, float | None]:
        """Mean over the classes of each group; None where a group is empty.

        Args:
            per_class: ``(C,)`` one figure a class, say its accuracy.
        """
        groups = {"many": self.many, "medium": self.medium, "few": self.few}
        return {
            name: float(np.mean(per_class[list(group)])) if group else None
            for name, group in groups.items()
        }


def by_counts(counts: IntArray, *, many_above: int = 100, few_below: int = 20) -> ShotGroups:
    """Many: more than 100 training images. Few: fewer than 20. Medium: the rest (Liu et al. 2019).

    Args:
        counts: ``(C,)`` training images of each class: by true labels where they are known, since
            noise makes rare classes look frequent.
        many_above: A class with more images is a many-shot class.
        few_below: A class with fewer is a few-shot class.

    Raises:
        ValueError: ``few_below`` is above ``many_above`` + 1.
    """
    if few_below > many_above + 1:
        raise ValueError(
            f"Expected an integer of at most {many_above + 1} of argument `few_below`, "
            f"but got {few_below}. Try: many_above=100, few_below=20."
        )
    many = counts > many_above
    few = counts < few_below
    return ShotGroups(
        many=_numbers(many),
        medium=_numbers(~many & ~few),
        few=_numbers(few),
        rule=f"many: more than {many_above} training images; few: fewer than {few_below}",
    )


def by_ranges(
    *, many: Iterable[int], medium: Iterable[int], few: Iterable[int], classes: int
) -> ShotGroups:
    """Groups given by class numbers, as papers on noisy CIFAR-10-LT do (0-1, 2-6, 7-9).

    Args:
        many: Classes of the first group, ``range(0, 2)``.
        medium: Of the second, ``range(2, 7)``.
        few: Of the third, ``range(7, 10)``.
        classes: Number of classes C.

    Raises:
        ValueError: A class is in no group, in two, or does not exist.
    """
    groups = tuple(many), tuple(medium), tuple(few)
    together = sorted(class_ for group in groups for class_ in group)
    if together != list(range(classes)):
        raise ValueError(
            f"Expected each of the classes 0 to {classes - 1} in one of the groups, "
            f"but got {groups}. Try: many=range(0, 2), medium=range(2, 7), few=range(7, 10)."
        )
    named = zip(("many", "medium", "few"), groups, strict=True)
    rule = "; ".join(f"{name}: classes {_range_text(group)}" for name, group in named)
    return ShotGroups(*groups, rule=rule)


def _numbers(mask: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(class_) for class_ in np.flatnonzero(mask))


def _range_text(group: tuple[int, ...]) -> str:
    if len(group) > 2 and list(group) == list(range(group[0], group[-1] + 1)):
        return f"{group[0]}-{group[-1]}"
    return ", ".join(map(str, group)) or "none"

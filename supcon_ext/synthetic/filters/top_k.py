"""The best of each caption, or of each class."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from data_tools.synthetic_set import UNKNOWN
from supcon_ext.synthetic.filter import (
    NO_CAPTION,
    NO_CLASS,
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)
from supcon_ext.synthetic.order import best_first


@synthetic_filter("top_k", takes=("image", "vector"))
class TopK(SyntheticFilter):
    """Keeps the k samples of highest quality of each caption or class.

    The quality is the manifest's, times the scores of filters before in mode ``quality``. Of equal
    ones, those come first whose path does in the alphabet.

    Args:
        k: Samples that are kept, of each.
        by: ``caption`` or ``class``. Samples without one are dropped.
    """

    def __init__(
        self,
        k: Annotated[int, Field(ge=1)] = 4,
        by: Literal["caption", "class"] = "caption",
    ) -> None:
        self.k = k
        self.by = by

    @property
    def requires(self) -> frozenset[str]:  # type: ignore[override]  # which one, `by` says
        """``caption`` or ``class``."""
        return frozenset({self.by})

    def judge(self, data: FilterInput) -> FilterVerdict:
        """A place in its group for each sample."""
        of_class = self.by == "class"
        group = data.synthetic.label if of_class else data.synthetic.caption
        taken: dict[int, int] = {}
        late = np.zeros(len(group), dtype=bool)
        for place in best_first(data.synthetic).tolist():
            number = taken.get(int(group[place]), 0)
            taken[int(group[place])] = number + 1
            late[place] = number >= self.k
        none = group == UNKNOWN
        return FilterVerdict.of(
            ~(late | none),
            {
                NO_CLASS if of_class else NO_CAPTION: none,
                f"{self.k} of its {self.by} are better": late,
            },
        )

"""A score that the manifest brings: of a text-image model, an aesthetic one, a person."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from supcon_ext.synthetic.filter import (
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)


@synthetic_filter("score_column", takes=("image", "vector"))
class ScoreColumn(SyntheticFilter):
    """Keeps samples whose value in a column of the manifest is high enough.

    With ``mode: quality`` the values are the scores, and must be in [0, 1].

    Args:
        column: Name of the column, ``quality`` among them.
        at_least: Smallest value that is kept; samples without a value are dropped.
    """

    def __init__(
        self,
        column: str,
        at_least: Annotated[float, Field(allow_inf_nan=False)],
    ) -> None:
        self.column = column
        self.at_least = at_least

    def judge(self, data: FilterInput) -> FilterVerdict:
        """The values, measured by the threshold."""
        values = self._values(data)
        known = np.isfinite(values)
        outside = known & ((values < 0) | (values > 1))
        if self.mode == "quality" and outside.any():
            raise ValueError(
                f"Expected values in [0, 1] in column `{self.column}`, which become quality, but "
                f"got {values[outside][0]:g}. Try: `mode: hard`."
            )
        return FilterVerdict.of(
            np.where(known, values, 0).clip(0, 1),
            {
                f"it has no `{self.column}`": ~known,
                f"its `{self.column}` is under {self.at_least:g}": known & (values < self.at_least),
            },
        )

    def _values(self, data: FilterInput) -> npt.NDArray[np.float64]:
        if self.column == "quality":
            return data.synthetic.quality.astype(np.float64)
        found = data.synthetic.columns.get(self.column)
        if found is None:
            have = ", ".join(f"`{name}`" for name in sorted(data.synthetic.columns)) or "none"
            raise ValueError(
                f"Expected a column `{self.column}` of the synthetic samples for filter "
                f"`score_column`, but they have {have}."
            )
        try:
            return np.array([np.nan if cell in ("", None) else float(cell) for cell in found])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Expected numbers in column `{self.column}` for filter `score_column`, but got "
                f"others: {error}."
            ) from None

"""Data that Python handed over: a recipe can say what it was, but only Python has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data_tools.datasets.base import Scale, Splits, dataset
from data_tools.picture import Mode


@dataset("from_python")
def from_python(
    *,
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None,
    mode: Mode = "rgb",
    scale: Scale | None = None,
    flips: bool = True,
    clean: bool = False,
) -> Splits:
    """Data handed over in Python, by run(recipe, data=...): a Dataset, arrays, or paths.

    Args:
        digest: Of all samples and labels; `run` puts it in, and refuses other data where it is
            there.
        mode: How files and Pillow's pictures are read: ``rgb`` or ``grey``, 8 bits; ``stored``
            keeps their channels.
        scale: The value that stands for 1; None is the largest of an integer type, and 1 of floats,
            all of which must then be in [0, 1]. With it, what is outside is cut off.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.

    Raises:
        ValueError: Always: the data is not at hand.
    """
    raise ValueError(
        "Expected the data that was handed over in Python, but only Python has it. "
        "Try: run(recipe, data=...), resume(run, data=...) or open_run(run, data=...) of "
        "supcon_ext, with the same data"
    )

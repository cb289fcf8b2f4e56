"""Data that Python hands over to a run, in place of the data set that its recipe names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_tools.datasets.base import Splits
from data_tools.given_data import splits_of
from data_tools.registry import Spec, family
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.recipe.schema import Recipe

KIND = "from_python"


def with_data(recipe: Recipe, data: Any) -> tuple[Recipe, Splits]:
    """The recipe that says what was handed over, and its splits.

    Settings of a data set of kind ``from_python`` that the recipe has are kept; any other data set
    that it names is left aside.

    Args:
        recipe: What to run.
        data: See :func:`~data_tools.given_data.splits_of`.

    Raises:
        ValueError: The data cannot be used, or is not what the recipe names by its digest.
    """
    spec = recipe.data.dataset
    settings = dict(spec.params) if spec.kind == KIND else {}
    expected = settings.pop("digest", None)
    with CountedProgress("reading the data", "samples") as told:
        splits, digest = splits_of(data, **settings, told=told)
    if expected not in (None, digest):
        raise ValueError(
            f"Expected as argument `data` what the recipe was run on, of digest {expected[:12]}, "
            f"but got other samples or labels, of {digest[:12]}. Try: the same data, in the same "
            "order"
        )
    named: Spec = family("dataset").spec({"kind": KIND, **settings, "digest": digest})
    section = recipe.data.model_copy(update={"dataset": named})
    return recipe.model_copy(update={"data": section}), splits


def data_of_run(recipe: Recipe, data: Any, folder: Path) -> Splits | None:
    """The splits of a run that is opened or goes on; None where it reads its own data.

    Args:
        recipe: The run's.
        data: What is handed over; None for nothing.
        folder: The run's, for the message.

    Raises:
        ValueError: The data is not the run's, or the run reads its own.
    """
    if data is None:
        return None
    if recipe.data.dataset.kind != KIND:
        raise ValueError(
            f"Expected no `data` for {folder}, which reads its own, of kind "
            f"{recipe.data.dataset.kind}, but got some. Try: leave it out"
        )
    return with_data(recipe, data)[1]

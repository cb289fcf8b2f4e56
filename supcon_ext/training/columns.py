"""The data set's columns as rows carry them, and the columns that selectors name."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from data_tools.training_set import NO_TEXT
from supcon_ext.losses.rows import MissingColumn, PairTile, Rows
from supcon_ext.training.stage import Stage


def row_columns(columns: Mapping[str, npt.NDArray[Any]], device: torch.device) -> dict[str, Tensor]:
    """Every column as numbers: texts become the places of their sorted values, -1 where empty.

    ``path`` is left out: it says which sample a row is, which the rows know.
    """
    return {
        name: torch.from_numpy(_numbers(column)).to(device)
        for name, column in columns.items()
        if name != "path"
    }


def _numbers(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if column.dtype.kind in "iufb":
        return column
    texts = np.asarray([str(value) for value in column])
    values = np.setdiff1d(texts, NO_TEXT)
    place = np.searchsorted(values, texts)
    return np.where(np.isin(texts, NO_TEXT), -1, place).astype(np.int64)


def check_columns(stage: Stage, columns: Mapping[str, Tensor]) -> None:
    """See that the columns which a stage's selectors name are there.

    Each is asked about two rows; what else it may miss is not known before a selection.

    Args:
        stage: Whose selectors are asked; they are not changed.
        columns: ``(N, ...)`` of the training set.

    Raises:
        ValueError: One is missing.
    """
    rows = Rows.of(
        torch.eye(2),
        torch.zeros(2, dtype=torch.int64),
        columns={name: column[:2].cpu() for name, column in columns.items()},
    )
    for name, part in stage.objective:
        selector = part.selector_in_use
        if selector is None:
            continue
        try:
            copy.deepcopy(selector).targets(PairTile(rows, rows, rows.z @ rows.z.T))
        except MissingColumn as error:
            raise ValueError(
                f"Expected a column `{error.name}` of the data set, which the selector of "
                f"`stages.{stage.name}.objective.{name}` names, but there are: "
                f"{', '.join(columns) or 'none'}. Try: a manifest with a column `{error.name}`"
            ) from error
        except Exception:  # it needs a selection first, or more than two rows
            continue

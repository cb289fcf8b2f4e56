"""A few real samples, to check an exported encoder on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.bad_image import BadImageError
from data_tools.samples import SampleSet
from supcon_ext.experiment.checked_parts import source_of
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.experiment.named_data import no_overrides
from supcon_ext.experiment.preprocessing import fitting_set
from supcon_ext.use.data import read_given

COUNT = 64


def real_samples(
    model: SavedModel, data: str | None, overrides: Sequence[str] = ()
) -> list[npt.NDArray[Any]]:
    """Samples of the data that a run was trained on, or of others, spread over the whole.

    Args:
        model: The run's.
        data: See :func:`~supcon_ext.use.data.read_given`; None for the run's own.
        overrides: ``KEY=VALUE`` beside a recipe.

    Raises:
        ValueError: There are none that can be read and that fit the encoder.
    """
    if data is not None:
        samples, _ = read_given(data, model.preprocessing, overrides=overrides, skip_bad=True)
    else:
        no_overrides(overrides, "--data")
        samples = _own(model)
    found: list[npt.NDArray[Any]] = []
    for place in np.linspace(0, len(samples) - 1, min(COUNT, len(samples))).astype(int):
        try:
            found.append(samples[int(place)])
        except BadImageError:
            continue
    if not found:
        raise ValueError(f"Expected a sample that can be read, but got none of {len(samples)}.")
    return found


def _own(model: SavedModel) -> SampleSet:
    try:
        source = source_of(model.recipe.data.dataset)
        return fitting_set(source.test or source.train, model.preprocessing)
    except (ValueError, OSError) as error:
        raise ValueError(
            "Expected the data that the run was trained on, to check the export on real samples, "
            f"but: {error} Try: --data FOLDER"
        ) from error

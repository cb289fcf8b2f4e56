"""What a command is given to predict, read as an encoder wants it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from data_tools.image_check import Told
from data_tools.samples import SampleSet
from supcon_ext.experiment.given_samples import SPLITS, read_samples
from supcon_ext.experiment.named_data import named_data
from supcon_ext.experiment.preprocessing import Preprocessing, fitting_set


def read_given(
    data: str,
    wanted: Preprocessing,
    *,
    overrides: Sequence[str] = (),
    splits: Collection[str] = SPLITS,
    skip_bad: bool = False,
    progress: Told | None = None,
) -> tuple[SampleSet, list[str]]:
    """Samples to predict, and what each is called: its path, or its split and its place.

    Args:
        data: See :func:`~supcon_ext.experiment.named_data.named_data`; taken before noise and
            imbalance.
        wanted: What the encoder was trained on.
        overrides: ``KEY=VALUE`` beside a recipe.
        splits: Which to take, of those that there are.
        skip_bad: Leave bad image files out, in place of an error.
        progress: Told how far the check of files is.

    Raises:
        ValueError: It is no data, holds none, holds bad ones, or does not fit the encoder.
        OSError: Something cannot be read.
    """
    named = named_data(data, overrides, reading=wanted.reading)
    found = read_samples(named, splits=splits, skip_bad=skip_bad, progress=progress)
    return fitting_set(found.samples, wanted), found.names

"""What a command is given to predict, read as an encoder wants it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from data_tools.image_check import Told
from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.vector_file import read_vectors
from data_tools.vector_formats import FORMATS
from data_tools.vector_rows import VectorRows
from supcon_ext.embed.pictures import SPLITS, joined, read_pictures
from supcon_ext.experiment.checked_parts import source_of
from supcon_ext.experiment.preprocessing import Preprocessing
from supcon_ext.recipe.load import load_recipe
from supcon_ext.use.samples import fitting_set, unlabelled


def read_given(
    data: str,
    wanted: Preprocessing,
    *,
    splits: Collection[str] = SPLITS,
    skip_bad: bool = False,
    progress: Told | None = None,
) -> tuple[SampleSet, list[str]]:
    """Samples to predict, and what each is called: its path, or its split and its place.

    Args:
        data: A folder of pictures, by class or not; a manifest; a recipe, whose data set is taken
            before noise and imbalance; for an encoder of vectors a file of them, or a recipe.
        wanted: What the encoder was trained on.
        splits: Which to take, of those that there are.
        skip_bad: Leave bad image files out, in place of an error.
        progress: Told how far the check of files is.

    Raises:
        ValueError: It is none of these, holds none, holds bad ones, or does not fit the encoder.
        OSError: Something cannot be read.
    """
    if wanted.kind == "vector":
        parts = {name: part for name, part in _vectors(data).items() if name in splits}
        if not any(map(len, parts.values())):
            raise ValueError(f"Expected vectors of {', '.join(splits)} in {data}, but got none.")
        samples, split = (
            joined(list(parts.values())),
            np.repeat([*parts], [*map(len, parts.values())]),
        )
        number = np.concatenate([np.arange(len(part)) for part in parts.values()])
    else:
        scale = wanted.scale if wanted.mode == "stored" else None
        found = read_pictures(
            data, splits=splits, skip_bad=skip_bad, mode=wanted.mode, scale=scale, progress=progress
        )
        samples, split, number = found.samples, found.split, found.number
    samples = fitting_set(samples, wanted)
    if "path" in samples.columns:
        return samples, [str(path) for path in samples.columns["path"]]
    return samples, [f"{name}/{place}" for name, place in zip(split, number, strict=True)]


def _vectors(data: str) -> dict[str, SampleSet]:
    """The splits of a file of vectors, or of a recipe's data set."""
    if Path(data).suffix.lower() in FORMATS:
        found = read_vectors(data)
        paths = {"path": found.columns["path"]} if "path" in found.columns else {}
        whole = unlabelled(VectorRows(found.vectors), InputSpec.of_vectors(found.width), **paths)
        if found.split is None:
            return {"train": whole}
        return {name: whole.take(np.flatnonzero(found.split == name)) for name in SPLITS}
    source = source_of(load_recipe(data).data.dataset)
    splits = {"train": source.train, "validation": source.validation, "test": source.test}
    return {name: part for name, part in splits.items() if part is not None}

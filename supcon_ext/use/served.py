"""The encoder that MLflow loads and serves: pictures as people have them in, classes out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from supcon_ext.experiment.model_files import read_model
from supcon_ext.use.loaded import LoadedEncoder

COLUMN = "image"
"""Name of the column of a table that holds the pictures."""


def _load_pyfunc(path: str) -> ServedEncoder:
    """What MLflow calls, with the folder of the model's files."""
    return ServedEncoder(LoadedEncoder(read_model(Path(path))))


class ServedEncoder:
    """Classes of pictures, or of vectors, for MLflow.

    Args:
        encoder: Says them.
    """

    def __init__(self, encoder: LoadedEncoder) -> None:
        self.encoder = encoder

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """A table with a row for each sample.

        Args:
            model_input: A table with a column ``image``, a list, or an array. A picture is the path
                of a file, the bytes of one, the same in base64 (with or without
                ``data:image/png;base64,`` before it), or numbers ``(H, W)`` or ``(H, W, C)``, 0 to
                255 where the encoder was trained on 8-bit pictures. Vectors are rows of numbers.
            params: None are known.

        Returns:
            Columns ``class``, ``probability``, and ``distance`` to the nearest training samples of
            the class.

        Raises:
            ValueError: Something is no sample, or does not fit the encoder.
        """
        import pandas

        judged = self.encoder.judge(self._samples(model_input))
        return pandas.DataFrame(
            {
                "class": [self.encoder.classes[number] for number in judged.class_],
                "probability": judged.probability.max(axis=1).astype(np.float64),
                "distance": judged.distance.astype(np.float64),
            }
        )

    def _samples(self, given: Any) -> Any:
        kind = self.encoder.preprocessing.kind
        if hasattr(given, "columns"):  # a table of pandas
            given = given.to_numpy() if kind == "vector" else _column(given).tolist()
        elif isinstance(given, Mapping):
            given = list(given.get(COLUMN, next(iter(given.values()), [])))
        if kind == "vector":
            return np.asarray(given, dtype=np.float32)
        if isinstance(given, np.ndarray):
            if given.dtype.kind in "uifb":
                return given
            given = given.tolist()  # of texts, bytes or arrays
        several = isinstance(given, Sequence) and not isinstance(given, (str, bytes))
        return [_picture(each) for each in (given if several else [given])]


def _column(table: Any) -> Any:
    if COLUMN in table.columns:
        return table[COLUMN]
    if len(table.columns) == 1:
        return table.iloc[:, 0]
    raise ValueError(
        f"Expected a table with a column `{COLUMN}`, but got {', '.join(map(str, table.columns))}."
    )


def _picture(given: Any) -> Any:
    """One picture, a text told apart: the path of a file, or base64."""
    if isinstance(given, list):
        return np.asarray(given)
    if not isinstance(given, str):
        return given
    text = given.partition("base64,")[2] if given.startswith("data:") else given
    try:
        if text is given and Path(given).is_file():
            return given
    except OSError:  # too long to be a path
        pass
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise ValueError(
            f"Expected the path of a picture that is there, or base64 of one, but got "
            f"{given[:60]!r}."
        )
    return content

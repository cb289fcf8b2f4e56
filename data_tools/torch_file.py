"""Files written by ``torch.save``, read without running what a stranger put in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def load_torch_file(path: str | Path) -> Any:
    """Read tensors, numpy arrays, lists, dicts and plain values from a ``.pt`` file.

    Anything else in the file (any function that unpickling would call) is refused: arrays are let
    through by an allow-list of the four names that a numpy array is pickled with, under numpy 1's
    module names too.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds something else, or is no such file.
    """
    import torch

    rebuild: Any = np.empty(0).__reduce__()[0]
    kinds = [np.dtype(name) for name in ("int64", "int32", "uint8", "bool", "float32", "float64")]
    allowed: list[Any] = [
        rebuild,
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        *(type(kind) for kind in kinds),
    ]
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a file of argument `file`, but {path} does not exist.")
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader fails in many ways on what it cannot read
        raise ValueError(
            f"Expected only tensors, arrays and plain values in {path}, but it holds something "
            "else, or is no file of torch.save. Try: the file as its authors published it."
        ) from error

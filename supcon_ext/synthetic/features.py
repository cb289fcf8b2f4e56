"""Features of synthetic and real samples, made once for all who ask.

Shape letters: M synthetic samples, N trusted real ones, F features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.extract import Extract, FeatureRows, FloatArray, extractor
from supcon_ext.synthetic.real_training import RealTraining

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Features:
    """Synthetic and real samples in one space.

    Attributes:
        synthetic: ``(M, F)`` float32.
        real: ``(N, F)`` float32 of the trusted real training samples.
        label: ``(N,)`` int64 classes of those.
    """

    synthetic: FloatArray
    real: FloatArray
    label: IntArray


@dataclass
class _Made:
    extract: Extract
    real: FloatArray
    synthetic: FeatureRows
    known: npt.NDArray[np.bool_]


class FeatureBank:
    """Makes features when asked, and keeps them.

    Without an encoder, the features of pictures are their pixels, brought to 16 x 16 and
    standardised by those of the real ones: cheap, and blind to all but colour and coarse shape.
    Vectors are features as they are, the mean of their stored views.

    Args:
        synthetic: The whole set.
        real: Whose trusted samples are the real ones.
        encoder: A finished run or ``timm:NAME`` for all who name no other; None for pixels.
        progress: Told how many samples of all are done.
    """

    def __init__(
        self,
        synthetic: SyntheticSet,
        real: RealTraining,
        encoder: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.synthetic = synthetic
        self.real = real
        self.encoder = encoder
        self.progress = progress
        self._made: dict[str | None, _Made] = {}

    def of(self, index: IntArray, encoder: str | None = None) -> Features:
        """Features of some synthetic samples, and of the trusted real ones.

        Args:
            index: ``(M,)`` int64 places in the whole set.
            encoder: In place of the bank's.

        Raises:
            ValueError: A sample cannot be read, or there is no such encoder.
        """
        made = self._with(index, encoder)
        unread = [place for place in index.tolist() if place in made.synthetic.faults]
        if unread:
            raise ValueError(
                f"Expected synthetic pictures that can be read, but {len(unread)} cannot be: "
                f"{made.synthetic.faults[unread[0]]} Try: the filter `readable` before the others."
            )
        return Features(made.synthetic.values[index], made.real, self.real.label)

    def readable(self, index: IntArray, encoder: str | None = None) -> IntArray:
        """Those of the places whose samples can be read."""
        faults = self._with(index, encoder).synthetic.faults
        return np.array([place for place in index.tolist() if place not in faults], dtype=np.int64)

    def _with(self, index: IntArray, encoder: str | None) -> _Made:
        name = encoder or self.encoder
        if name not in self._made:
            self._made[name] = self._begun(name)
        made = self._made[name]
        missing = index[~made.known[index]]
        if len(missing):
            found = made.extract(self.synthetic.samples, missing, self.progress)
            made.synthetic.values[missing] = found.values
            made.synthetic.faults.update(
                {int(missing[row]): fault for row, fault in found.faults.items()}
            )
            made.known[missing] = True
        return made

    def _begun(self, name: str | None) -> _Made:
        samples = self.real.samples
        extract, found = extractor(samples, self.real.index, name, self.progress)
        count = len(self.synthetic)
        empty = np.full((count, found.shape[1]), np.nan, dtype=np.float32)
        return _Made(extract, found, FeatureRows(empty, {}), np.zeros(count, dtype=bool))

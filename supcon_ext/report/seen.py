"""The samples that a run is judged by, as its encoder sees them: made again from its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from data_tools.image_files import ImageFiles
from data_tools.samples import IntArray, SampleSet
from data_tools.thumbnails import data_uri
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.experiment.open import open_data
from supcon_ext.progress.file_progress import FileProgress
from supcon_ext.recipe.schema import Recipe
from supcon_ext.use.loaded import LoadedEncoder


@dataclass(frozen=True)
class Seen:
    """N samples of one split, with what the encoder says of them.

    Attributes:
        split: ``test``, or ``validation`` where there is no test set.
        samples: The samples.
        predictor: What predicted the classes.
        features: ``(N, F)``.
        label: ``(N,)`` int64: true of the test set, as given of validation.
        predicted: ``(N,)`` int64.
        probability: ``(N,)`` of the predicted class.
    """

    split: str
    samples: SampleSet
    predictor: str
    features: Tensor
    label: IntArray
    predicted: IntArray
    probability: npt.NDArray[np.float32]

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` bool: predicted to be of another class than the label says."""
        wrong: npt.NDArray[np.bool_] = self.predicted != self.label
        return wrong

    def name(self, number: int) -> str:
        """What a sample is called: its file's name, or its place in the split."""
        if "path" in self.samples.columns:
            return Path(str(self.samples.columns["path"][number])).name
        return f"{self.split}/{number}"

    def picture(self, number: int) -> str | None:
        """A sample as a ``data:`` address; of a vector, what it was made of, if that is there."""
        try:
            if self.samples.spec.kind != "vector":
                return data_uri(self.samples[number])
            if "path" in self.samples.columns:
                return data_uri(ImageFiles([str(self.samples.columns["path"][number])])[0])
        except (ValueError, OSError):
            pass
        return None


def look(
    folder: Path,
    recipe: Recipe,
    model: SavedModel,
    fingerprint: str,
    *,
    device: str,
    tell: Callable[[str], None],
) -> Seen | str:
    """Make the data again and let the encoder see it.

    Returns:
        What is seen; or a sentence on why there is nothing to see.
    """
    try:
        with FileProgress() as files:
            data = open_data(folder, recipe, fingerprint, progress=files)
    except (ValueError, OSError, ImportError) as error:
        return f"The run's data could not be read again, so this page has no pictures: {error}"
    split, samples = (
        ("test", data.test) if data.test is not None else ("validation", data.validation)
    )
    if samples is None or not len(samples):
        return "The run's data have neither a test nor a validation set, so no errors are shown."
    encoder = LoadedEncoder(model, device=device)
    tell(f"{len(samples):,} {samples.spec.kind}s of the {split} set, on {encoder.device}")
    outputs = encoder.outputs(samples)
    judged = encoder.judged(outputs)
    whole: Any = slice(None)
    kept = (outputs.index >= 0).numpy()
    if not kept.all():
        whole = np.flatnonzero(kept)
        samples = samples.take(whole)
    return Seen(
        split=split,
        samples=samples,
        predictor=encoder.predictor,
        features=outputs.features[whole],
        label=samples.label.astype(np.int64),
        predicted=judged.class_[whole],
        probability=judged.probability.max(axis=1)[whole],
    )

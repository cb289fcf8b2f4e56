"""An encoder that can be asked: for vectors, for classes, for how near a class lies.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from data_tools.samples import SampleSet
from supcon_ext.embed.device import device_of
from supcon_ext.evaluation.base import Embedded
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.experiment.preprocessing import Preprocessing
from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.feed.base import Draw
from supcon_ext.feed.choice import feed_of
from supcon_ext.policies.base import View
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.training.bank import BATCH, embed
from supcon_ext.use.samples import samples_of

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What an encoder says of N samples.

    Attributes:
        class_: ``(N,)`` int64, the most probable class.
        probability: ``(N, C)`` float32 of every class; rows sum to 1.
        distance: ``(N,)`` float32, mean cosine distance to the five nearest training samples of the
            predicted class, in [0, 2]; NaN where it has none.
    """

    class_: npt.NDArray[np.int64]
    probability: Floats
    distance: Floats


class LoadedEncoder:
    """An encoder of a finished run, with its classes and the way it wants its samples.

    Samples are whatever people have, see :func:`~supcon_ext.use.samples.samples_of`: a path, a
    folder, a Pillow image, an array, or a list of them; vectors where the run was on vectors. They
    are prepared as in the run's own evaluation, in batches; what takes long shows how far it is.

    Args:
        model: What was read.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, or one of torch's.
        batch: Samples at a time. The run's own evaluation had 512; other numbers change vectors by
            rounding.
        workers: Processes that read pictures.

    Attributes:
        name: Of the recipe that it was trained by.
        classes: Names of its classes.
        preprocessing: Kind, size, channels, mean, std, type and scale of its samples.
        predictor: What classes are predicted by: the trained ``classifier``; where there is none
            ``linear_probe`` or ``knn``, whichever the run measured first.
        statistics: Of each class: ``count`` of training samples, ``median`` and ``quantile_95`` of
            their distance to their own class, see :class:`Predicted`.
        device: Where it computes.
    """

    def __init__(
        self,
        model: SavedModel,
        *,
        device: str | torch.device = "auto",
        batch: int = BATCH,
        workers: int = 0,
    ) -> None:
        if batch < 1 or workers < 0:
            raise ValueError(
                f"Expected `batch` of 1 or more and `workers` of 0 or more, but got {batch} and "
                f"{workers}. Try: batch={BATCH}, workers=0."
            )
        self.name = model.name
        self.classes = model.classes
        self.preprocessing: Preprocessing = model.preprocessing
        self.predictor = model.parts.predictor.kind
        self.statistics = model.statistics
        self.device = device_of(device)
        self.network = model.network.to(self.device)
        self.parts = model.parts
        self.batch = batch
        self.workers = workers_at_hand(workers)

    def __repr__(self) -> str:
        of = self.preprocessing
        size = f"{of.size} px, {of.channels} channels" if of.size else f"{of.channels} numbers"
        return (
            f"LoadedEncoder({self.name!r}, {len(self.classes)} classes by {self.predictor}, "
            f"{of.kind}s of {size}, {self.network.backbone.dim} features, on {self.device})"
        )

    def embed(self, samples: Any) -> Floats:
        """``(N, F)`` features: what the backbone gives, before the projector.

        Args:
            samples: N of them, see the class.

        Raises:
            ValueError: They are no samples, cannot be read, or do not fit the encoder.
            FileNotFoundError: A file is not there.
        """
        features: Floats = self.outputs(samples).features.numpy()
        return features

    def predict(self, samples: Any) -> npt.NDArray[Any]:
        """``(N,)`` names of the most probable classes, texts.

        Args:
            samples: N of them, see the class.

        Raises:
            ValueError: As of :meth:`embed`.
        """
        names: npt.NDArray[Any] = np.asarray(self.classes)[self.predict_proba(samples).argmax(1)]
        return names

    def predict_proba(self, samples: Any) -> Floats:
        """``(N, C)`` probabilities of the classes, in the order of :attr:`classes`; rows sum to 1.

        Those of ``knn`` are shares of its neighbours' votes.

        Args:
            samples: N of them, see the class.

        Raises:
            ValueError: As of :meth:`embed`.
        """
        probability: Floats = self.parts.predictor(self.outputs(samples)).numpy()
        return probability

    def judge(self, samples: Any) -> Predicted:
        """Class, probabilities, and the distance to the class's nearest training samples.

        Args:
            samples: N of them, see the class.

        Raises:
            ValueError: As of :meth:`embed`.
        """
        return self.judged(self.outputs(samples))

    def judged(self, outputs: Embedded) -> Predicted:
        """The same of samples that are embedded.

        Args:
            outputs: What :meth:`outputs` gave.
        """
        probability = self.parts.predictor(outputs)
        class_ = probability.argmax(dim=1)
        distance = self.parts.reference.distance(outputs.features, class_)
        return Predicted(class_.numpy(), probability.numpy(), distance.numpy())

    def outputs(self, samples: Any, view: View | None = None, key: Draw | None = None) -> Embedded:
        """Features, projections and logits, as the run's evaluation had them.

        Args:
            samples: N of them, see the class; a :class:`~data_tools.samples.SampleSet` keeps its
                labels. Of one that cannot be read and is to be skipped, ``index`` is -1.
            view: Another one than that of evaluation.
            key: Of each view by the sample's place, where the view draws.

        Raises:
            ValueError: As of :meth:`embed`.
        """
        given = samples_of(samples, self.preprocessing)
        view, index = view or self.preprocessing.view, torch.arange(len(given))
        feed = feed_of(given, workers=self.workers)

        def batches(places: Tensor) -> Any:
            done = 0
            with CountedProgress("embedding", f"{given.spec.kind}s") as progress:
                for x, place in feed.plain(given, view, places, self.batch, key):
                    index[done : done + len(place)] = torch.where(place < 0, -1, place)
                    yield x, place
                    done += len(place)
                    progress(done, len(places))

        made = embed(self.network, len(given), batches, self.device)
        classifies = self.predictor == "classifier"
        return Embedded(
            features=made.features,
            z=made.z,
            logits=made.logits if classifies else None,
            label=_labels(given),
            index=index,
            samples=given.samples,
        )


def _labels(samples: SampleSet) -> Tensor:
    return torch.from_numpy(samples.label.astype(np.int64))

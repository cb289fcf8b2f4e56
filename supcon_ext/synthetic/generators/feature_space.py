"""Positives made among vectors: between two of a class, near one, or of the class's Gaussian.

Letters: n trusted samples, V stored views, F coordinates, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from data_tools.samples import ImageArray, IntArray, SampleSet
from data_tools.synthetic_set import UNKNOWN
from data_tools.vector_rows import gather_vectors
from supcon_ext.synthetic.generator import Asked, Generator, Progress, generator
from supcon_ext.synthetic.generators.parents import ParentChooser
from supcon_ext.synthetic.image_seed import draws_of

Vector = npt.NDArray[np.float64]
SAME_LENGTH = 1e-3
"""Vectors whose lengths differ by less, as a share of their mean, are normalised ones."""


@generator("feature_space", takes={"vector"})
class FeatureSpace(Generator):
    """Vectors of a class: slerp between two, one with noise, or draws of a shrunken Gaussian.

    For vector sets, and for images once ``supcon embed`` has made vectors of them. ``slerp`` goes
    up to half the way from a parent to another vector of its class, on the arc between them; a
    class of one vector gives that vector. ``noise`` adds to a parent a random vector and gives it
    the parent's length again. ``gaussian`` draws from the class's mean and a covariance between its
    own and that of all classes within themselves, and has no parent; where the set's vectors are
    normalised, so is what is made. Where several views of a sample are stored, all are treated
    alike.

    Args:
        mode: ``slerp``, ``noise`` or ``gaussian``.
        sigma: Length of the noise as a share of the parent's length; GenRep found that too little
            and too much are worse than something between.
        shrinkage: Samples that the covariance within all classes counts as, beside the class's own.
    """

    def __init__(
        self,
        mode: Literal["slerp", "noise", "gaussian"] = "slerp",
        sigma: Annotated[float, Field(ge=0, le=10)] = 0.3,
        shrinkage: Annotated[float, Field(ge=0)] = 20.0,
    ) -> None:
        self.mode = mode
        self.sigma = sigma
        self.shrinkage = shrinkage

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        if real.spec.kind != "vector":
            raise ValueError(
                f"Expected vectors for the {self.name}, but got {real.spec.kind}s. Try: supcon "
                "embed, which makes vectors of images, or the generators transform or class_vae"
            )
        views = np.ndim(real[int(trusted[0])]) == 2
        rows = gather_vectors(real.samples, trusted).astype(np.float32)
        self._keep(ParentChooser(trusted, real.label[trusted]), rows if views else rows[:, 0])

    def _keep(self, parents: ParentChooser, rows: npt.NDArray[np.float32]) -> None:
        self.parents, self.rows = parents, rows
        if self.mode == "gaussian":
            self.means = np.zeros((len(self.classes), *rows.shape[1:]), dtype=np.float32)
            for label in np.unique(parents.label):
                self.means[label] = rows[parents.of_class(label)].mean(0, dtype=np.float64)
            self.centred = rows - self.means[parents.label]
            lengths = _length(rows)
            spread = float(np.ptp(lengths)) / max(float(lengths.mean()), 1e-12)
            self.length = float(lengths.mean()) if spread < SAME_LENGTH else None

    def parent_of(self, what: int | str, k: int, seed: int) -> int:
        """The vector that is gone from, or that noise is added to."""
        if self.mode == "gaussian":
            return UNKNOWN
        label = cast(int, self.settled(what))
        return int(self.parents.places[self.parents.chosen(label, k, seed)])

    def _make(self, asked: Sequence[Asked], seed: int) -> list[ImageArray]:
        made = {"slerp": self._slerp, "noise": self._noise, "gaussian": self._gaussian}[self.mode]
        return [made(cast(int, what), k, seed).astype(np.float32) for what, k in asked]

    def _parent(self, label: int, k: int, seed: int) -> tuple[int, Vector]:
        position = self.parents.chosen(label, k, seed)
        return position, self.rows[position].astype(np.float64)

    def _slerp(self, label: int, k: int, seed: int) -> Vector:
        position, first = self._parent(label, k, seed)
        others = self.parents.of_class(label)
        others = others[others != position]
        if not len(others):
            return first
        drawn = draws_of(seed, label, k)
        second = self.rows[int(drawn.choice(others))].astype(np.float64)
        return slerp(first, second, float(drawn.uniform(0, 0.5)))

    def _noise(self, label: int, k: int, seed: int) -> Vector:
        _, parent = self._parent(label, k, seed)
        noise = draws_of(seed, label, k).standard_normal(parent.shape)
        noise *= self.sigma * _length(parent) / np.sqrt(parent.shape[-1])
        return _of_length(parent + noise, _length(parent))

    def _gaussian(self, label: int, k: int, seed: int) -> Vector:
        drawn = draws_of(seed, label, k)
        members = self.parents.of_class(label)
        own = max(len(members) - 1, 0)
        pooled = max(len(self.rows) - int((self.counts > 0).sum()), 0)
        share = own / (own + self.shrinkage) if pooled and own + self.shrinkage else float(own > 0)
        made = self.means[label].astype(np.float64)
        if own:
            made = made + np.sqrt(share / own) * _mixed(drawn, self.centred[members])
        if pooled:
            made = made + np.sqrt((1 - share) / pooled) * _mixed(drawn, self.centred)
        return made if self.length is None else _of_length(made, np.float64(self.length))

    def state(self) -> dict[str, Any]:
        """The trusted vectors."""
        return {**self.parents.state(), "rows": torch.from_numpy(self.rows)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them."""
        self._keep(ParentChooser.of_state(state), state["rows"].numpy())


def slerp(first: Vector, second: Vector, share: float) -> Vector:
    """On the arc from one vector to another; lengths go from one to the other evenly.

    Args:
        first: ``(..., F)``.
        second: ``(..., F)``.
        share: Of the way, in [0, 1].
    """
    start, end = _length(first), _length(second)
    u, v = first / np.maximum(start, 1e-12), second / np.maximum(end, 1e-12)
    angle = np.arccos((u * v).sum(-1, keepdims=True).clip(-1, 1))
    sine = np.sin(angle)
    near = sine < 1e-6  # the same direction, or the opposite one, which no single arc leads to
    safe = np.where(near, 1.0, sine)
    left = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    right = np.where(near, share, np.sin(share * angle) / safe)
    return _of_length(left * u + right * v, (1 - share) * start + share * end)


def _length(vectors: npt.NDArray[Any]) -> Vector:
    return np.asarray(np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True))


def _of_length(vectors: Vector, length: Vector | np.float64) -> Vector:
    return np.asarray(vectors / np.maximum(_length(vectors), 1e-12) * length)


def _mixed(drawn: np.random.Generator, rows: npt.NDArray[np.float32]) -> Vector:
    """A sum of rows with standard normal factors: its covariance is that of the rows, summed."""
    factors = drawn.standard_normal(len(rows)).astype(np.float32)
    return np.asarray(np.tensordot(factors, rows, 1), dtype=np.float64)

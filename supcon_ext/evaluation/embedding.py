"""The shape of the embedding itself: how close classes lie, how it all spreads, and a picture.

Shape letters: N samples, D embedding.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.evaluation import figures
from supcon_ext.evaluation.base import EvaluationInput, Report, Space, Split, evaluator

logger = logging.getLogger(__name__)


@evaluator("embedding")
@dataclass(frozen=True)
class Embedding:
    """Alignment and uniformity of the projections, and a picture of the split in two dimensions.

    Args:
        method: ``pca``, or ``tsne`` (scikit-learn's; slower, and distances between clusters mean
            little).
        space: What is drawn: ``features`` of the backbone, or ``projection``.
        samples: At most so many samples are measured and drawn, chosen by the input's seed.
    """

    method: Literal["pca", "tsne"] = "pca"
    space: Space = "features"
    samples: Annotated[int, Field(ge=2)] = 5000

    requires: ClassVar[frozenset[str]] = frozenset()
    needs_training: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.method not in ("pca", "tsne"):
            raise ValueError(
                f"Expected 'pca' or 'tsne' of argument `method`, but got {self.method!r}."
            )

    def evaluate(self, data: EvaluationInput, split: Split) -> Report:
        """Metrics ``alignment`` and ``uniformity``, figure ``projection``; training samples unused.

        A metric whose pairs do not exist (no two samples, no two of one class) is left out.

        Raises:
            ValueError: The split is absent.
        """
        part = data.part(split)
        z, label = part.z.cpu(), part.label.cpu()
        vectors = part.vectors(self.space).cpu()
        if len(label) > self.samples:
            logger.info("embedding: %d of %d samples are measured", self.samples, len(label))
            chosen = np.random.default_rng(data.seed).permutation(len(label))[: self.samples]
            rows = torch.as_tensor(np.sort(chosen))
            z, label, vectors = z[rows], label[rows], vectors[rows]
        found = {"alignment": alignment(z, label), "uniformity": uniformity(z)}

        def draw(path: Path) -> None:
            point = two_dimensions(vectors, self.method, data.seed)
            name = {"pca": "PCA", "tsne": "t-SNE"}[self.method]
            title = f"{name} of {len(label)} samples ({self.space}, {split})"
            figures.scatter(path, point, label.numpy(), data.classes, title)

        return Report(
            metrics={name: value for name, value in found.items() if value is not None},
            figures={"projection": draw},
        )


def alignment(z: Tensor, label: Tensor) -> float | None:
    """Mean squared distance of two samples of one class, in ``[0, 4]``; small is close.

    Wang & Isola 2020, "Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere", section 4.1 with alpha = 2; their positives are two views of an
    image, these are samples of one class. All ordered pairs count alike, by class sums: sum over
    pairs of ``||a - b||^2 = 2 (n sum ||a||^2 - ||sum a||^2)``.

    Args:
        z: ``(N, D)`` unit norm.
        label: ``(N,)`` int64, 0 or above.

    Returns:
        None where no two samples share a class.
    """
    z = z.double()
    count = label.bincount()
    classes = len(count)
    total = z.new_zeros(classes, z.shape[1]).index_add_(0, label, z)
    square = z.new_zeros(classes).index_add_(0, label, z.square().sum(1))
    pairs = int((count * (count - 1)).sum())
    if pairs == 0:
        return None
    distance = 2 * (count * square - total.square().sum(1)).sum()
    return max(0.0, float(distance) / pairs)


def uniformity(z: Tensor) -> float | None:
    """``log mean exp(-2 ||a - b||^2)`` over pairs of samples, in ``[-8, 0]``; small is spread out.

    Wang & Isola 2020, section 4.1 with t = 2. Collapsed embeddings have 0.

    Args:
        z: ``(N, D)`` unit norm; ``N (N - 1) / 2`` distances are held.

    Returns:
        None where there are fewer than two samples.
    """
    if len(z) < 2:
        return None
    kernel = torch.nn.functional.pdist(z).square_().mul_(-2).exp_()
    return min(0.0, float(kernel.mean(dtype=torch.float64).log()))


def two_dimensions(vectors: Tensor, method: str, seed: int) -> figures.FloatArray:
    """``(N, 2)`` places of ``(N, F)`` vectors.

    Args:
        vectors: Finite.
        method: ``pca`` or ``tsne``.
        seed: Of t-SNE's first places.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = vectors.double().numpy()
    if len(x) < 2:
        return np.zeros((len(x), 2))
    if method == "tsne":
        perplexity = min(30.0, max(1.0, (len(x) - 1) / 3))
        place: figures.FloatArray = TSNE(
            n_components=2, init="random", perplexity=perplexity, random_state=seed
        ).fit_transform(x)
        return place
    kept = min(2, *x.shape)
    place = PCA(n_components=kept, svd_solver="full").fit_transform(x)
    return np.pad(place, ((0, 0), (0, 2 - kept)))

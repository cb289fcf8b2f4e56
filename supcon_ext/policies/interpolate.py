"""Vectors moved towards one of their near neighbours among the training samples."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from supcon_ext.policies.base import View, check_bounds, policy
from supcon_ext.policies.keyed import KeyColumns, below, hashed, uniform
from supcon_ext.policies.vector_view import VectorContext, VectorView, training_vectors
from supcon_ext.selectors.neighbours import nearest_neighbours

_WHO, _HOW_FAR = 31, 32


class Interpolate(VectorView):
    """Moves a stored view of a training sample towards a near neighbour.

    Args:
        context: Width, statistics and training samples.
        neighbours: How many near neighbours one is drawn from.
        most: Largest share of the way.

    Raises:
        ValueError: Fewer than two training samples.
    """

    def __init__(self, context: VectorContext, neighbours: int, most: float) -> None:
        super().__init__(context)
        self.context = context
        self.most = most
        count = 0 if context.train is None else len(context.train)
        first = self.standardised(training_vectors(context, range(count)))
        self.near = nearest_neighbours(first, min(neighbours, count - 1)).index

    def changed(self, x: Tensor, keys: KeyColumns) -> Tensor:
        """Moved."""
        sample = keys.sample.to(self.near.device)
        who = below(hashed(keys, _WHO), self.near.shape[1]).to(self.near.device)
        near = self.standardised(training_vectors(self.context, self.near[sample, who]))
        share = self.most * uniform(hashed(keys, _HOW_FAR))
        return x.lerp_(near.to(x.device), share[:, None])


@policy("interpolate", takes=("vector",))
def interpolate(
    context: VectorContext,
    *,
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 5,
    most: Annotated[float, Field(ge=0, le=1)] = 0.5,
) -> View:
    """Vectors: a drawn share of the way from a drawn stored view to a drawn near neighbour.

    Neighbours are found once, among the training samples, by the cosine of the first stored views
    after standardisation; a sample is none of its own, and labels play no part. The share is
    uniform from 0 to ``most``.

    Args:
        context: Width, statistics and training samples.
        neighbours: How many nearest ones the neighbour is drawn from.
        most: Largest share of the way.

    Raises:
        ValueError: ``most`` is not in [0, 1], or there are fewer than two training samples.
    """
    check_bounds("most", most, 0, 1)
    return Interpolate(context, neighbours, most)

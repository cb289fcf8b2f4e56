"""One of the stored views of a sample, as an encoder saw it under augmentation."""

from __future__ import annotations

from torch import Tensor

from supcon_ext.policies.base import View, policy
from supcon_ext.policies.keyed import KeyColumns
from supcon_ext.policies.vector_view import VectorContext, VectorView


class StoredView(VectorView):
    """A stored view, drawn; see :func:`~supcon_ext.policies.vector_view.stored_view`."""

    def changed(self, x: Tensor, keys: KeyColumns) -> Tensor:
        """As it is."""
        return x


@policy("stored_view", takes=("vector",))
def stored_view(context: VectorContext) -> View:
    """Vectors: one of the stored views, drawn; the vector itself where one is stored.

    Two views of a sample that follow each other are different ones, where there are two. Files of
    several views are written by ``supcon embed`` with a policy for images.

    Args:
        context: Width and statistics.
    """
    return StoredView(context)

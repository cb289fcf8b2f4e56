"""Which trusted samples of a class are made something of, each as often as the others.

Letters: n trusted samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from data_tools.samples import IntArray
from supcon_ext.synthetic.image_seed import draws_of

_EACH_ROUND = -1  # stands for the number of a sample where an order of parents is drawn


class ParentChooser:
    """Trusted samples by class.

    Args:
        places: ``(n,)`` int64 places in the training set, ascending.
        label: ``(n,)`` int64 their given labels.
    """

    def __init__(self, places: IntArray, label: IntArray) -> None:
        self.places = places
        self.label = label

    def of_class(self, label: int | None) -> IntArray:
        """Positions among the n of a class; of all where it is None."""
        of = np.ones(len(self.label), bool) if label is None else self.label == label
        return np.flatnonzero(of).astype(np.int64)

    def chosen(self, label: int | None, k: int, seed: int) -> int:
        """The position that sample ``k`` of a class, or of any, is made from.

        Every sample of the class is one in turn, in an order of its own each round.
        """
        members = self.of_class(label)
        turn, place = divmod(k, len(members))
        order = draws_of(seed, f"parents of {label}, round {turn}", _EACH_ROUND)
        return int(members[order.permutation(len(members))[place]])

    def state(self) -> dict[str, Any]:
        """Both arrays, as tensors."""
        return {"places": torch.from_numpy(self.places), "label": torch.from_numpy(self.label)}

    @staticmethod
    def of_state(state: Mapping[str, Any]) -> ParentChooser:
        """What :meth:`state` gave."""
        return ParentChooser(state["places"].numpy(), state["label"].numpy())

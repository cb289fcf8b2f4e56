"""FINE: samples whose features lie along the main direction of their class.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.mixtures import Em, Start, gaussian_mixture, low_component

FINE = Em(iterations=100, tolerance=1e-6, variance=1e-6, unit=False)


def main_direction(features: Tensor) -> Tensor:
    """The first right-singular vector of features that are not centred; its sign means nothing.

    It is the first eigenvector of the F x F Gram matrix, which is smaller than the features.

    Args:
        features: ``(n, F)`` float.

    Returns:
        ``(F,)`` float64 of unit norm.
    """
    from scipy.linalg import eigh

    features = features.double()
    gram = (features.T @ features).cpu().numpy()
    last = len(gram) - 1
    vector = eigh(gram, subset_by_index=[last, last])[1][:, 0]  # all of them take 5 times as long
    return torch.from_numpy(vector).to(features.device)


@selector("fine")
class Fine(SampleSelector):
    """Believes features along the main direction of their class (Kim et al. 2021, FINE).

    The score of a sample is the absolute cosine of its backbone features with the first
    right-singular vector of its given label's features. Two Gaussians are fitted to the scores of
    each class; a sample is believed if its posterior of the component of higher mean is above the
    threshold. Classes of one sample, or whose scores are all the same, are kept whole.

    EM takes the settings of the authors' code for a whole data set (at most 100 iterations,
    tolerance 1e-6, on the scores as they are); beside DivideMix they take 10 iterations and a
    threshold of 0.7. Theirs starts from k-means of a random seed, so that with few samples of a
    class two runs may keep others: [.88, .5, .7, .67] keeps the first alone or all but .5.

    Args:
        threshold: Posterior above which a sample is believed.
        from_kept: Take the directions from the samples that the refresh before kept, in place of
            all of the class; a class of which it kept none takes all.
        start: Where EM starts: from the ``best_split`` of the scores in two, or from ``k_means``,
            as the authors' code (here with seed 0).
    """

    requires = frozenset({"features"})

    def __init__(
        self,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        from_kept: bool = False,
        start: Start = "best_split",
    ) -> None:
        self.threshold = threshold
        self.from_kept = from_kept
        self.start = start
        self.kept: Tensor | None = None

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Find the directions, score, and fit each class.

        Raises:
            ValueError: ``from_kept``, and the number of samples is not that of the refresh before.
        """
        features = bank.need("features")
        unit = functional.normalize(features.double(), dim=1)
        score = torch.zeros(len(features), dtype=torch.float64, device=features.device)
        for class_ in range(bank.classes):
            members = bank.label == class_
            if not bool(features[members].isfinite().all()):
                score[members] = torch.nan  # says nothing: the class is kept whole
            elif bool(members.any()):
                direction = main_direction(features[self._source(members)])
                score[members] = (unit[members] @ direction).abs()
        posterior, stats = low_component(
            -score,
            partial(gaussian_mixture, em=replace(FINE, start=self.start)),
            bank.label,
            bank.classes,
            per_class=True,
        )
        kept = posterior > self.threshold
        if self.from_kept:
            self.kept = kept
        stats = {"confident": float(kept.sum()), **stats}
        return Selection.of(bank.label, kept.float(), stats, score)

    def _source(self, members: Tensor) -> Tensor:
        """``(N,)`` bool: samples that the direction of a class is taken from."""
        if self.kept is None:
            return members
        if len(self.kept) != len(members):
            raise ValueError(
                f"Expected the same {len(self.kept)} samples at every refresh of `fine`, but got "
                f"{len(members)}. Try: from_kept=false, or `fine` before selectors that leave "
                "some out"
            )
        kept = members & self.kept
        return kept if bool(kept.any()) else members

    def state_dict(self) -> dict[str, Any]:
        """The samples that the last refresh kept."""
        return {"kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.kept = state["kept"]

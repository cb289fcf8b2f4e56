"""The upper bound of every table: whoever has the true label is believed."""

from __future__ import annotations

import torch

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector


@selector("oracle")
class Oracle(SampleSelector):
    """Trusts exactly the samples whose label is the true one; open-set images never.

    Synthetic samples have no true label: they keep the one that they were made for, trusted.

    It needs true labels, which a data set with added noise knows: for comparison, not for use.
    """

    requires = frozenset({"truth"})
    provides = frozenset({"posterior"})

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Compare given with true labels."""
        truth = bank.need("truth")
        if bank.real is not None:
            truth = torch.cat([truth[: bank.real], bank.label[bank.real :]])
        known = truth >= 0
        right = known & (truth == bank.label)
        posterior = torch.zeros(len(bank), bank.classes)
        posterior[known, truth[known]] = 1.0
        return Selection.of(bank.label, right, {"kept": float(right.sum())}, posterior=posterior)

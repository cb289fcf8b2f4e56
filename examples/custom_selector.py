"""A selector of one's own in a recipe, beside a published one: digits with 40 % wrong labels.

Run it: ``python examples/custom_selector.py``. Both see the same noise, split and epochs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from supcon_ext import SampleBank, SampleSelector, Selection, load_recipe, run, selector
from supcon_ext.testing import check_selector

WHERE = "stages.select.objective.contrastive.selector"
SHORT = ["stages.warmup.epochs=3", "stages.select.epochs=6", "tracking.uri=none"]


@selector("centre")
class Centre(SampleSelector):
    """Believes samples that are nearer to their class's centre than to every other.

    Args:
        rounds: How often the centres are made anew, of the samples that are believed.
    """

    requires = frozenset({"z"})

    def __init__(self, rounds: int = 2) -> None:
        self.rounds = rounds

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """By the cosine to the centres."""
        z, trust = bank.need("z"), torch.ones(len(bank))
        for _ in range(self.rounds):
            centres = torch.zeros(bank.classes, z.shape[1]).index_add_(
                0, bank.label, z * trust[:, None]
            )
            similarity = z @ torch.nn.functional.normalize(centres, dim=1).T
            own = similarity.gather(1, bank.label[:, None])[:, 0]
            trust = (own >= similarity.max(1).values).float()
        return Selection.of(bank.label, trust, score=own)


def main() -> None:
    """Check it, run both, and print how they did."""
    check_selector(Centre())
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("centre", "{kind: confident_pairs, neighbours: 50}"):
            recipe = load_recipe("selcl/digits", [*SHORT, f"{WHERE}={kind}"])
            done = run(recipe, folder=Path(folder) / kind.strip("{}").split()[-1])
            measured = done.results["last"]["test"]["classifier"]
            print(f"{kind}: test accuracy {measured['accuracy']:.3f}")


if __name__ == "__main__":
    main()

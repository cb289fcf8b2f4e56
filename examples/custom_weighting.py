"""A weighting of one's own beside the published one: digits, the rarest class 20 times as rare.

Run it: ``python examples/custom_weighting.py``. Any selector goes with it, unchanged.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from supcon_ext import Rows, Weighting, WeightingStep, WeightPlan, load_recipe, run, weighting
from supcon_ext.testing import check_weighting

WHERE = "stages.train.objective.contrastive.weighting"
SHORT = ["stages.train.epochs=8", "tracking.uri=none"]


@weighting("softened")
class Softened(Weighting):
    """A class's contrasts weigh one over a power of how many there are; 1 weighs classes alike.

    Args:
        power: Between 0, which weighs all contrasts alike, and 1.
    """

    def __init__(self, power: float = 0.5) -> None:
        super().__init__()
        self.power = power

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """By trusted contrasts of each class in the batch."""
        counts = self.counts(contrasts)
        if counts is None:
            return WeightPlan()
        size = counts.clamp(min=1).double()[contrasts.label.clamp(min=0)]
        log = torch.where(contrasts.label >= 0, -self.power * size.log(), torch.zeros_like(size))
        return WeightPlan(log_column=log.to(contrasts.z.dtype))


def main() -> None:
    """Check it, run three weightings, and print how they did."""
    check_weighting(Softened())
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("uniform", "softened", "{kind: balanced, hidden: 128}"):
            recipe = load_recipe("bcl/digits", [*SHORT, f"{WHERE}={kind}"])
            done = run(recipe, folder=Path(folder) / kind.strip("{}").split()[-1])
            measured = done.results["last"]["test"]["classifier"]
            told = f"balanced accuracy {measured['balanced_accuracy']:.3f}"
            print(f"{kind}: test {told}")


if __name__ == "__main__":
    main()

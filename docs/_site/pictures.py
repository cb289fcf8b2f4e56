"""Pictures of the concepts, drawn by the toolkit's own selectors and weightings at each build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyBboxPatch

from supcon_ext import PairTile, Rows, WeightingStep, selector, weighting

MADE = Path(__file__).parents[1] / "_made"
LABELS = [0, 0, 0, 0, 1, 1, 2]
WRONG = 3  # a sample whose label is not believed


def rows() -> Rows:
    """Two views of seven samples: four of a head class, one of them doubted, and a rare class."""
    index = torch.arange(len(LABELS)).repeat_interleave(2)
    z = torch.nn.functional.normalize(torch.ones(len(index), 2), dim=1)
    trust = (index != WRONG).float()
    return Rows.of(z, torch.tensor(LABELS)[index], index=index, trust=trust)


def targets(name: str) -> torch.Tensor:
    """What a selector takes for positives, without the pairs of a view with itself."""
    views = rows()
    pairs = PairTile(views, views, views.z @ views.z.T)
    made = selector.make(name).targets(pairs).float()
    return made * ~pairs.itself()


def weights() -> torch.Tensor:
    """How much BCL's weighting lets each contrast count in each anchor's denominator."""
    views = rows()
    made = weighting.make("balanced", prototypes=False)
    plan = made.plan(WeightingStep(views, 0.1), views, views)
    log = torch.zeros(len(views), len(views))
    if plan.log_column is not None:
        log = log + plan.log_column[None, :]
    if plan.log_same is not None:
        same = views.label[:, None] == views.label[None, :]
        log = log + plan.log_same[:, None] * same
    return log.exp() * ~torch.eye(len(views), dtype=torch.bool)


def draw_pairs() -> None:
    """Four matrices of pairs side by side."""
    panels = [
        ("t: the same picture\n(SimCLR, instance)", targets("instance"), "Greens"),
        ("t: the same label\n(SupCon, label)", targets("label"), "Greens"),
        ("t: the same believed label\n(gmm and the like)", targets("gmm"), "Greens"),
        ("w: classes weigh alike\n(BCL, balanced)", weights(), "Purples"),
    ]
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.3), layout="constrained")
    for axis, (title, matrix, colours) in zip(axes, panels, strict=True):
        axis.imshow(matrix, cmap=colours, vmin=0, vmax=float(matrix.max()))
        axis.set_title(title, fontsize=10)
        axis.set_xticks([3.5, 9.5, 12.5], ["head", "mid", "rare"], fontsize=9)
        axis.set_yticks([3.5, 9.5, 12.5], ["head", "mid", "rare"], fontsize=9)
        for line in (7.5, 11.5):
            axis.axhline(line, color="0.75", lw=0.7)
            axis.axvline(line, color="0.75", lw=0.7)
    figure.savefig(MADE / "pairs.svg", bbox_inches="tight")
    plt.close(figure)


def draw_flow() -> None:
    """The fixed order in which a selector and a weighting work."""
    steps = [
        ("look", "once an epoch:\nfeatures, logits,\nlosses of all samples"),
        ("select", "a selector says\nwhom to believe,\nwhich pairs count"),
        ("count", "classes, over\nbelieved samples"),
        ("weigh", "a weighting says\nwhat each contrast\nand anchor weighs"),
        ("loss", "one formula,\nin tiles"),
    ]
    figure, axis = plt.subplots(figsize=(11, 2.2), layout="constrained")
    axis.set(xlim=(0, 5), ylim=(0, 1))
    axis.axis("off")
    for place, (name, text) in enumerate(steps):
        axis.add_patch(
            FancyBboxPatch(
                (place + 0.08, 0.12),
                0.78,
                0.76,
                boxstyle="round,pad=0.02",
                fc="#f2f0fa",
                ec="#7a6fb0",
            )
        )
        axis.text(place + 0.47, 0.76, name, ha="center", va="center", weight="bold")
        axis.text(place + 0.47, 0.4, text, ha="center", va="center", fontsize=9)
        if place:
            axis.annotate(
                "", (place + 0.06, 0.5), (place - 0.12, 0.5), arrowprops={"arrowstyle": "->"}
            )
    figure.savefig(MADE / "flow.svg", bbox_inches="tight")
    plt.close(figure)


def draw(app: Any) -> None:
    """All pictures, into a folder that git ignores."""
    MADE.mkdir(exist_ok=True)
    draw_pairs()
    draw_flow()


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

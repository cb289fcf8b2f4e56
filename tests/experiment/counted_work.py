"""What a run really passes through encoders, counted part by part: pictures trained on, or a third
of one that is only looked at, as the plan has it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from timm.layers import PatchEmbed
from torch.nn.modules.module import register_module_forward_hook

from supcon_ext.experiment.outlook import FORWARD
from supcon_ext.experiment.preparation import Prepared, prepare
from supcon_ext.experiment.report import measure
from supcon_ext.models.base import Backbone
from supcon_ext.models.tokens import TokenBackbone
from supcon_ext.progress.silence import Silence
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking import NullTracker


class Parts(Silence):
    """Knows which part of a run is under way."""

    part = ""

    def start_stage(self, name: str, *args: Any, **kwargs: Any) -> None:
        """A stage begins."""
        self.part = name


def prepared(text: dict[str, Any]) -> tuple[Recipe, Prepared, Parts]:
    """A run that can start, in this process."""
    recipe, progress = parse_recipe(text), Parts()
    fabric = Fabric(accelerator="cpu", devices=1)
    fabric.launch()
    return recipe, prepare(recipe, fabric, progress), progress


def counted_work(recipe: Recipe, made: Prepared, progress: Parts, place: Path) -> dict[str, float]:
    """Train and measure; the work of each part by its name."""
    whole = math.prod(made.context.shape)
    found: dict[str, float] = defaultdict(float)

    def count(module: Any, given: Any, output: Any) -> None:
        tokens = isinstance(module, TokenBackbone)  # asked for features or for tokens: one way in
        if not isinstance(module, PatchEmbed) and (tokens or not isinstance(module, Backbone)):
            return
        learns = output.requires_grad if any(True for _ in module.parameters()) else True
        work = 1.0 if learns and torch.is_grad_enabled() else FORWARD
        found[progress.part] += work * given[0].numel() / whole

    made.trainer.record_to(place, NullTracker())
    handle = register_module_forward_hook(count)
    try:
        made.trainer.fit()
        progress.part = "evaluation"
        measure(recipe, made)
    finally:
        handle.remove()
    return dict(found)

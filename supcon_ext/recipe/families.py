"""The families of parts, and what else a recipe names that has to be imported to be known."""

from __future__ import annotations

import importlib

from pydantic_core import PydanticCustomError

FAMILIES = {
    "dataset": "data_tools.datasets.base",
    "noise": "data_tools.noise.base",
    "imbalance": "data_tools.imbalance.base",
    "synthetic_source": "supcon_ext.synthetic.source",
    "generator": "supcon_ext.synthetic.generator",
    "synthetic_filter": "supcon_ext.synthetic.filter",
    "policy": "supcon_ext.policies.base",
    "backbone": "supcon_ext.models.base",
    "head": "supcon_ext.models.heads.base",
    "term": "supcon_ext.objectives.base",
    "selector": "supcon_ext.selectors.base",
    "weighting": "supcon_ext.weightings.base",
    "sampler": "supcon_ext.samplers.base",
    "optimizer": "supcon_ext.optimizers.base",
    "schedule": "supcon_ext.schedules.base",
    "evaluator": "supcon_ext.evaluation.base",
}
"""Every family of parts, and the module that holds its registry."""


def load_families() -> None:
    """Import the module of every family, so that its parts can be looked up."""
    for module in FAMILIES.values():
        importlib.import_module(module)


def import_plugin(name: str) -> str:
    """Import a recipe's plugin.

    Raises:
        PydanticCustomError: The module cannot be imported.
    """
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PydanticCustomError(
            "plugin",
            "Expected a module that can be imported, but `{name}` gives {reason}. Try: install it, "
            "or put its folder on PYTHONPATH.",
            {"name": name, "reason": f"{type(error).__name__}: {error}"},
        ) from error
    return name


def known_strategy(name: str) -> str:
    """A strategy that Lightning Fabric knows, whatever its case.

    Raises:
        PydanticCustomError: It knows none of this name.
    """
    if name in ("auto", "ddp"):  # what nearly every recipe says, without an import
        return name
    from lightning_fabric.strategies import STRATEGY_REGISTRY

    names = ["auto", *STRATEGY_REGISTRY.available_strategies()]
    if name.lower() not in names:
        raise PydanticCustomError(
            "part_unknown",
            "unknown strategy",
            {"family": "strategy", "given": name, "names": names, "reason": f"got `{name}`"},
        )
    return name

"""The term `contrastive` as a loop of one's own names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from data_tools.registry import Spec
from supcon_ext.objectives.base import term as terms
from supcon_ext.objectives.contrastive import Contrastive

NOT_IN_A_LOOP = {
    "mixup": "the object sees embeddings, and Mixup mixes pictures. Try: a recipe",
    "mixup_mean": "the object sees embeddings, and Mixup mixes pictures. Try: a recipe",
    "views": "a loop gives the views that it means",
    "weight": "a loop multiplies the loss itself",
    "over_stage": "a loop multiplies the loss itself",
}
"""Settings of the term `contrastive` that a recipe has and a loop has not, and why."""


def loop_term(settings: dict[str, Any]) -> Contrastive:
    """The term of these settings, of which selector and weighting may be objects.

    Raises:
        ValueError: In one line, what is wrong.
    """
    for name, why in NOT_IN_A_LOOP.items():
        if name in settings:
            raise ValueError(f"Expected no setting `{name}` in a loop of one's own: {why}")
    objects = {
        name: value
        for name in ("selector", "weighting")
        if not isinstance(value := settings[name], (str, Mapping))
    }
    plain = {name: value for name, value in settings.items() if name not in objects}
    try:
        spec = terms.spec({"kind": "contrastive", **plain})
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = ".".join(map(str, found["loc"]))
        raise ValueError(
            f"Expected settings of the term `contrastive`, but `{where}` is wrong: {found['msg']}. "
            "Try: supcon components contrastive"
        ) from error
    kept = {name: value for name, value in spec.params.items() if name not in objects}
    made: Contrastive = Spec("term", "contrastive", kept).bind()(**objects)
    return made

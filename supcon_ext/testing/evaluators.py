"""The contract of evaluators."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from data_tools.shot_groups import by_counts
from supcon_ext.evaluation.base import Embedded, EvaluationInput, Evaluator, Report
from supcon_ext.evaluation.check_report import checked_report
from supcon_ext.testing.contract import Contract, pristine

CONTRACT = Contract("evaluator")
CLASSES, FEATURES = 3, 6


def check_evaluator(evaluator: Evaluator) -> None:
    """Check that an evaluator keeps the contract that results and their comparison rely on.

    A report of finite numbers on either split; the same from a fresh instance, whatever was
    evaluated before, with no draw from a global generator; no need of logits that it does not
    require.

    Args:
        evaluator: The evaluator to check, as a recipe makes it.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    new = pristine(evaluator)
    _report(new(), "test")
    draws = "a generator with the seed `data.seed`"
    with CONTRACT.class_unchanged(evaluator):
        with CONTRACT.world(0, draws):
            one = new()
            told = [_report(one, split).metrics for split in ("validation", "test", "test")]
        with CONTRACT.world(1, draws):
            found = [_report(new(), split).metrics for split in ("validation", "test", "test")]
    CONTRACT.expect(
        told == found,
        "the same features must give the same numbers, whatever was evaluated before. Try: keep "
        "nothing in the instance, and draw from a generator with the seed `data.seed`",
    )


def _report(evaluator: Evaluator, split: str) -> Report:
    shown = "logits" in evaluator.requires
    data = EvaluationInput(
        train=_embedded(60, 0, shown),
        validation=_embedded(20, 1, shown),
        test=_embedded(30, 2, shown),
        classes=("a", "b", "c"),
        groups=by_counts(np.asarray([30, 20, 10]), many_above=25, few_below=15),
        augmented=lambda epoch: _embedded(60, epoch + 3, shown).features,
    )
    try:
        made = evaluator.evaluate(data, split)  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError) as error:
        if shown:
            raise
        raise AssertionError(
            "evaluator contract: name `logits` in `requires` if it reads them: without, it fails "
            f"with {type(error).__name__}: {error}"
        ) from error
    with CONTRACT.border():
        return checked_report(evaluator, made)


def _embedded(count: int, seed: int, logits: bool) -> Embedded:
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % CLASSES
    center = 2 * functional.one_hot(label, FEATURES).float()
    features: Tensor = center + torch.randn(count, FEATURES, generator=generator)
    return Embedded(
        features=features,
        z=functional.normalize(features, dim=1),
        logits=features[:, :CLASSES].clone() if logits else None,
        label=label,
        index=torch.arange(count),
    )

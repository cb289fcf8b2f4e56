"""The contract of evaluators."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray
from data_tools.shot_groups import by_counts
from data_tools.vector_rows import VectorRows
from supcon_ext.evaluation.base import Embedded, EvaluationInput, Evaluator, Report
from supcon_ext.evaluation.check_report import checked_report
from supcon_ext.evaluation.tunable import Tunable
from supcon_ext.models.base import Backbone
from supcon_ext.testing.contract import Contract, pristine

CONTRACT = Contract("evaluator")
CLASSES, FEATURES = 3, 6


def check_evaluator(evaluator: Evaluator) -> None:
    """Check that an evaluator keeps the contract that results and their comparison rely on.

    A report of finite numbers on either split; the same from a fresh instance, whatever was
    evaluated before, with no draw from a global generator; no need of logits or of the encoder that
    it does not require; an encoder that is left as it is.

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
    shown, whole = "logits" in evaluator.requires, "encoder" in evaluator.requires
    encoder = _encoder() if whole else None
    before = None if encoder is None else _weights(encoder)
    data = EvaluationInput(
        train=_embedded(60, 0, shown, whole),
        validation=_embedded(20, 1, shown, whole),
        test=_embedded(30, 2, shown, whole),
        classes=("a", "b", "c"),
        groups=by_counts(np.asarray([30, 20, 10]), many_above=25, few_below=15),
        augmented=lambda epoch: _embedded(60, epoch + 3, shown, whole).features,
        encoder=encoder,
    )
    try:
        made = evaluator.evaluate(data, split)  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError) as error:
        if shown and whole:
            raise
        raise AssertionError(
            "evaluator contract: name `logits` in `requires` if it reads them, and `encoder` if it "
            f"trains a copy of it: without, it fails with {type(error).__name__}: {error}"
        ) from error
    if encoder is not None and before is not None:
        CONTRACT.expect(
            all(torch.equal(a, b) for a, b in zip(before, _weights(encoder), strict=True)),
            "the run's encoder must stay as it is. Try: `data.encoder.copied()`",
        )
    with CONTRACT.border():
        return checked_report(evaluator, made)


def _encoder() -> Tunable:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = Backbone(nn.Sequential(nn.Linear(FEATURES, 8), nn.ReLU()), 8)
    return Tunable(backbone, InputSpec.of_vectors(FEATURES), _view, _view, torch.device("cpu"))


def _view(x: ImageArray, key: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.asarray(x, np.float32).reshape(FEATURES))


def _weights(encoder: Tunable) -> list[Tensor]:
    return [tensor.clone() for tensor in encoder.backbone.state_dict().values()]


def _embedded(count: int, seed: int, logits: bool, whole: bool) -> Embedded:
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
        samples=VectorRows(features.numpy()) if whole else None,
    )

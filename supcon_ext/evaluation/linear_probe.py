"""A linear classifier on frozen backbone features: the usual measure of a contrastive encoder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.evaluation.base import Embedded, EvaluationInput, evaluator
from supcon_ext.evaluation.fitted import Fitted
from supcon_ext.evaluation.predictor import Predictor
from supcon_ext.evaluation.sgd_probe import fit_sgd_probe
from supcon_ext.logistic_regression import LinearModel, Rotated, fit_logistic_regression

logger = logging.getLogger(__name__)

# Penalties tried for `l2: validation`, strongest first: half decades from 10 to 1e-5, until so many
# in a row were less accurate than the best; the weakest take the longest to fit, by far.
L2_GRID = tuple(10 ** (1 - step / 2) for step in range(13))
WORSE = 3

USED_BY = {"l2": "lbfgs", "epochs": "sgd", "batch_size": "sgd", "lr": "sgd"}


@evaluator("linear_probe")
@dataclass(frozen=True)
class LinearProbe(Predictor):
    """Linear classifier on frozen features, fitted on the training samples' given labels.

    With ``logit_adjustment`` it is the balanced linear head of a long-tailed set (Menon et al.
    2021; the linear head of LIFT, Shi et al. 2024): tau times the log of the classes' shares is
    taken from the logits of the fitted model. Trained with the adjusted loss, which adds it to the
    logits in training, a logistic regression whose bias is not penalised comes to the same model,
    so the two kinds of adjustment are one here (with ``lbfgs``; ``sgd`` does not end there).

    Args:
        solver: ``lbfgs``: logistic regression on features standardised by the training samples'
            mean and standard deviation, to convergence. ``sgd``: the protocol of Khosla et al. 2020
            on CIFAR, see :func:`~supcon_ext.evaluation.sgd_probe.fit_sgd_probe`. In runs and in
            ``supcon evaluate`` every epoch sees features of new weak views (crop and flip; of
            vectors a stored view), so that it costs ``epochs`` passes of the encoder over the
            training split; in Python it sees the plain features where the input has no
            ``augmented`` ones, which the log says.
        l2: Of ``lbfgs``: strength of the penalty beside the *mean* loss (scikit-learn's ``C`` is
            ``1 / (l2 N)``), or ``validation``: of 13 strengths from 10 to 1e-5 the one most
            accurate on the validation split's given labels (the strongest of several), which makes
            that split's own score optimistic. They are tried from the strongest on, and no further
            where three in a row were less accurate than the best.
        epochs: Of ``sgd``.
        batch_size: Of ``sgd``.
        lr: Of ``sgd``: first learning rate.
        logit_adjustment: tau; the shares are those of the given labels, and a class without samples
            counts as one. 0 for none. ``l2: validation`` chooses before the adjustment.

    Raises:
        ValueError: An unknown solver, or a parameter of the other solver has been set.
    """

    solver: Literal["lbfgs", "sgd"] = "lbfgs"
    l2: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["validation"] = 0.01
    epochs: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 512
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    logit_adjustment: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def __post_init__(self) -> None:
        if self.solver not in ("lbfgs", "sgd"):
            raise ValueError(
                f"Expected 'lbfgs' or 'sgd' of argument `solver`, but got {self.solver!r}."
            )
        for parameter in fields(self):
            solver = USED_BY.get(parameter.name, self.solver)
            if solver != self.solver and getattr(self, parameter.name) != parameter.default:
                raise ValueError(
                    f"Expected `{parameter.name}` only with solver '{solver}' of `linear_probe`, "
                    f"but got solver {self.solver!r}. Try: leave `{parameter.name}` out."
                )

    @property
    def needs_validation(self) -> bool:
        """Where the penalty is chosen there."""
        return self.l2 == "validation"

    @property
    def encoder_passes(self) -> tuple[int, int]:
        """Over the training samples: those of ``sgd`` on new views."""
        return (self.epochs, 0) if self.solver == "sgd" else (0, 0)

    def fit(self, data: EvaluationInput) -> FittedProbe:
        """Fit on the training samples.

        Raises:
            ValueError: ``l2: validation`` without a validation split.
        """
        log_prior = _log_prior(data.train.label, len(data.classes))
        adjustment = self.logit_adjustment * log_prior
        if self.solver == "sgd":
            plain = self._fit_sgd(data).less(adjustment)
            return FittedProbe(plain.weight, plain.bias)
        mean = data.train.features.double().mean(dim=0)
        std = data.train.features.double().std(dim=0, correction=0)
        # A feature that never changes says nothing; left at its scale it weighs 0.
        std = torch.where(std > 0, std, 1.0)

        def standardised(part: Embedded) -> Tensor:
            return _standardised(part.features, mean, std)

        model = self._fit_lbfgs(data, standardised).less(adjustment)
        return FittedProbe(model.weight, model.bias, mean, std)

    def _fit_lbfgs(
        self, data: EvaluationInput, standardised: Callable[[Embedded], Tensor]
    ) -> LinearModel:
        x, label, classes = standardised(data.train), data.train.label, len(data.classes)
        if self.l2 != "validation":
            return fit_logistic_regression(x, label, classes, self.l2)
        held_out = data.part("validation")
        x_held_out = standardised(held_out)
        rotated = Rotated.of(x)
        tried: list[tuple[float, float, LinearModel]] = []
        for l2 in L2_GRID:
            start = tried[-1][2] if tried else None
            model = fit_logistic_regression(rotated, label, classes, l2, start)
            hit = model.probabilities(x_held_out).argmax(dim=1) == held_out.label
            tried.append((float(hit.double().mean()), l2, model))
            most = max(accuracy for accuracy, _, _ in tried)
            if all(accuracy < most for accuracy, _, _ in tried[-WORSE:]):
                break
        accuracy, l2, best = max(tried, key=lambda candidate: candidate[0])
        logger.info("linear probe: l2=%g, validation accuracy %.4f", l2, accuracy)
        return best

    def _fit_sgd(self, data: EvaluationInput) -> LinearModel:
        plain = data.train.features
        if data.augmented is None:
            logger.info("linear probe: no augmented features, every epoch uses the plain ones")
        return fit_sgd_probe(
            data.augmented or (lambda epoch: plain),
            data.train.label,
            len(data.classes),
            data.seed,
            self.epochs,
            self.batch_size,
            self.lr,
        )


@dataclass(frozen=True, eq=False)
class FittedProbe(Fitted):
    """A linear classifier of features.

    Attributes:
        weight: ``(C, F)``.
        bias: ``(C,)``.
        mean: ``(F,)`` float64 that features are standardised by; None takes them as they are.
        std: Likewise.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor | None = None
    std: Tensor | None = None

    kind: ClassVar[str] = "linear_probe"

    def __call__(self, part: Embedded) -> Tensor:
        """See :class:`~supcon_ext.evaluation.fitted.Fitted`."""
        x = part.features
        if self.mean is not None and self.std is not None:
            x = _standardised(x, self.mean, self.std)
        return LinearModel(self.weight, self.bias).probabilities(x)


def _standardised(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (features.double() - mean) / std


def _log_prior(label: Tensor, classes: int) -> Tensor:
    """``(C,)`` float64 log share of each class; one without samples counts as one sample."""
    count = label.bincount(minlength=classes).clamp(min=1).double()
    return (count / count.sum()).log()

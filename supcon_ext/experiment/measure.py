"""What a trained network is worth, on validation in training and on the test set at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from data_tools.prepared import PreparedData
from data_tools.samples import SampleSet
from data_tools.shot_groups import ShotGroups
from supcon_ext.evaluation.base import Embedded, EvaluationInput, Report, Split
from supcon_ext.evaluation.check_report import checked_report
from supcon_ext.evaluation.classifier import Classifier
from supcon_ext.evaluation.knn import KNN
from supcon_ext.evaluation.tunable import Tunable
from supcon_ext.models.network import Network, Outputs
from supcon_ext.policies.base import View
from supcon_ext.training.loop import Trainer


@dataclass(frozen=True)
class Measurer:
    """Embeds the splits with a network and hands them to evaluators.

    Attributes:
        trainer: Embeds on the run's devices.
        data: The splits.
        groups: Shot groups.
        classifies: Whether a classifier was trained, so that logits mean something.
        augmented: The view of the SGD probe's training features.
        seed: Of what evaluators draw.
        workers: Processes that read pictures for evaluators that train a copy of the encoder.
    """

    trainer: Trainer
    data: PreparedData
    groups: ShotGroups
    classifies: bool
    augmented: View
    seed: int
    workers: int = 0

    def input(self, network: Network, test: bool, fitted: bool = True) -> EvaluationInput:
        """What evaluators may see of a network; the test split stays shut unless asked for.

        Args:
            network: Embeds the splits.
            test: Whether the test split is among them.
            fitted: Whether something is fitted on the training split; else it has no sample where
                there is a validation split.
        """
        train = self.data.train
        validation = self.data.validation
        held_out = None if validation is None else self._embedded(validation, network)
        seen = self._embedded(train, network) if fitted or held_out is None else _none_of(held_out)

        def augmented_features(epoch: int) -> torch.Tensor:
            key = EpochKey(self.seed, epoch)
            return self.trainer.embed(train, network, self.augmented, key).features

        return EvaluationInput(
            train=seen,
            validation=held_out,
            test=self._embedded(self.data.test, network) if test and self.data.test else None,
            classes=train.classes,
            groups=self.groups,
            seed=self.seed,
            augmented=augmented_features,
            encoder=Tunable(
                backbone=network.backbone,
                spec=train.spec,
                plain=self.trainer.data.plain,
                augmented=self.augmented,
                device=self.trainer.device,
                workers=self.workers,
            ),
        )

    def _embedded(self, images: SampleSet, network: Network) -> Embedded:
        outputs: Outputs = self.trainer.embed(images, network)
        return Embedded(
            features=outputs.features,
            z=outputs.z,
            logits=outputs.logits if self.classifies else None,
            label=torch.from_numpy(images.label),
            index=torch.arange(len(images)),
            samples=images.samples,
        )

    @property
    def validation_fits(self) -> bool:
        """Whether :meth:`validate` needs the training split's features: where kNN stands in."""
        return not self.classifies

    def validate(self, network: Network) -> dict[str, float]:
        """Accuracy on the validation split, whose labels are as noisy as the training labels.

        The classifier's where one is trained, else kNN's. ``score`` among them is what the best
        epoch is chosen by.
        """
        quick = Classifier() if self.classifies else KNN()
        data = self.input(network, test=False, fitted=self.validation_fits)
        name = "classifier" if self.classifies else "knn"
        metrics = quick.evaluate(data, "validation").metrics
        values = {f"{name}/{key}": metrics[key] for key in ("accuracy", "balanced_accuracy")}
        return {**values, "score": metrics["accuracy"]}


def reports_of(
    data: EvaluationInput, evaluators: Mapping[str, Any]
) -> dict[Split, dict[str, Report]]:
    """Every evaluator's report on the validation and the test split, where these are there."""
    splits: dict[Split, Embedded | None] = {"validation": data.validation, "test": data.test}
    return {
        split: {
            name: checked_report(part, part.evaluate(data, split))
            for name, part in evaluators.items()
        }
        for split, samples in splits.items()
        if samples is not None
    }


def _none_of(some: Embedded) -> Embedded:
    logits = None if some.logits is None else some.logits[:0]
    return Embedded(some.features[:0], some.z[:0], logits, some.label[:0], some.index[:0])


@dataclass(frozen=True)
class EpochKey:
    """The key of the only view of each sample in an epoch."""

    seed: int
    epoch: int

    def __call__(self, place: int) -> tuple[int, ...]:
        """The key of the sample at a place."""
        return self.seed, self.epoch, place, 0

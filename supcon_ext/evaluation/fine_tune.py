"""A copy of the encoder trained on with a linear head: what its weights are worth as a start.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from data_tools.samples import SampleSequence
from supcon_ext.evaluation.base import Embedded, EvaluationInput, evaluator
from supcon_ext.evaluation.predictor import Predictor
from supcon_ext.evaluation.tunable import Tunable
from supcon_ext.models.base import Backbone
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.seeding import seeded_generator, seeded_weights

logger = logging.getLogger(__name__)

ORDER, VIEWS = 0, 1
"""What is drawn: the order of samples, and their views."""


@evaluator("fine_tune")
@dataclass(frozen=True)
class FineTune(Predictor):
    """A copy of the encoder and a linear head, trained on the training samples' given labels.

    Fine-tuning as a measure of transfer (Kornblith et al. 2019, "Do Better ImageNet Models Transfer
    Better?", section 3): all weights are trained from where the encoder is, here by AdamW with
    fixed rates, a small one for the encoder and a larger one for the head, both along half a
    cosine, with cross-entropy on the weak view (crop and flip; of vectors a stored view). They
    search rates and penalties on the validation split, for SGD with Nesterov momentum. The head
    begins at zero. The last epoch is measured, on plain views. What was frozen in the run is
    trained too. The run's encoder stays as it is. Of several processes each trains a copy of its
    own, to the same numbers.

    It asks another question than `linear_probe`: not what the features hold, but how good a start
    the weights are where there are labels to train on. On wrong labels it learns them.

    Args:
        epochs: Passes over the training samples.
        batch_size: Samples a step; a last batch of a single one is left out.
        lr: First learning rate of the encoder.
        head_lr: Of the linear head.
        weight_decay: Of both, as AdamW's.
    """

    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=2)] = 128
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-4
    head_lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-2
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-2

    requires: ClassVar[frozenset[str]] = frozenset({"encoder"})

    @property
    def encoder_passes(self) -> tuple[int, int]:
        """Over the training samples: its epochs train."""
        return 0, self.epochs

    def fit(self, data: EvaluationInput) -> FineTuned:
        """Train the copy.

        Raises:
            ValueError: The input has features alone, or training diverges.
        """
        encoder = expect_encoder(data)
        samples = expect_samples(data.train)
        with seeded_weights(data.seed, "fine_tune"):  # dropout draws from it
            backbone = encoder.copied()
            head = nn.Linear(backbone.dim, len(data.classes))
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            head.to(encoder.device)
            self._train(encoder, backbone, head, samples, data)
        return FineTuned(encoder, backbone.eval(), head.eval())

    def _train(
        self,
        encoder: Tunable,
        backbone: Backbone,
        head: nn.Linear,
        samples: SampleSequence,
        data: EvaluationInput,
    ) -> None:
        optimizer = torch.optim.AdamW(
            [
                {"params": list(backbone.parameters()), "lr": self.lr},
                {"params": list(head.parameters()), "lr": self.head_lr},
            ],
            weight_decay=self.weight_decay,
        )
        count, label = len(data.train), data.train.label
        steps = self.epochs * math.ceil(count / self.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        backbone.train()
        done = 0
        with CountedProgress("fine-tuning", "steps") as progress:
            for epoch in range(self.epochs):
                drawn = seeded_generator(data.seed, epoch, ORDER)
                places = torch.randperm(count, generator=drawn)
                key, loss = _Key(data.seed, epoch), torch.zeros(())
                for x, place in encoder.batches(samples, places, self.batch_size, key):
                    done += 1
                    there = place >= 0  # the others could not be read
                    if int(there.sum()) < 2:
                        continue
                    wanted = label[place[there]].to(encoder.device)
                    loss = F.cross_entropy(head(backbone(x[there.to(x.device)])), wanted)
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                    schedule.step()
                    progress(done, steps)
                if not math.isfinite(last := float(loss.detach())):
                    raise ValueError(
                        f"Expected a finite loss of evaluator `fine_tune`, but got {last} in "
                        f"epoch {epoch + 1}. Try: a smaller `lr`, or a smaller `head_lr`"
                    )
                logger.info("fine-tuning: epoch %d of %d, loss %.4f", epoch + 1, self.epochs, last)


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A trained copy; it sees samples, not features.

    Attributes:
        encoder: How samples become views.
        backbone: The copy.
        head: Its classifier.
    """

    encoder: Tunable
    backbone: Backbone
    head: nn.Linear

    @torch.no_grad()
    def __call__(self, part: Embedded) -> Tensor:
        """``(N, C)`` float32 class probabilities.

        Raises:
            ValueError: The split has features alone.
        """
        samples = expect_samples(part)
        places = torch.arange(len(samples))
        made = [
            F.softmax(self.head(self.backbone(x)).float(), dim=1).cpu()
            for x, _ in self.encoder.batches(samples, places, 512)
        ]
        return torch.cat(made)


@dataclass(frozen=True)
class _Key:
    """The key of the only view of each sample in an epoch."""

    seed: int
    epoch: int

    def __call__(self, place: int) -> tuple[int, ...]:
        return self.seed, self.epoch, place, VIEWS


def expect_encoder(data: EvaluationInput) -> Tunable:
    """The encoder of an input.

    Raises:
        ValueError: It has none.
    """
    if data.encoder is None:
        raise ValueError(
            "Expected the encoder itself for evaluator `fine_tune`, but got features alone. "
            "Try: a recipe's `evaluation`, or supcon evaluate"
        )
    return data.encoder


def expect_samples(part: Embedded) -> SampleSequence:
    """The samples of a split.

    Raises:
        ValueError: It has features alone.
    """
    if part.samples is None:
        raise ValueError(
            "Expected the samples themselves for evaluator `fine_tune`, but got features alone. "
            "Try: a recipe's `evaluation`, or supcon evaluate"
        )
    return part.samples

"""A small variational auto-encoder of pixels, conditioned on the class.

Letters: B rows of a batch, C channels, S sides, L numbers of a code.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from data_tools.samples import ImageArray, IntArray, SampleSet
from supcon_ext.seeding import derived_seed, seeded_weights
from supcon_ext.synthetic.generator import Asked, Generator, Progress, generator
from supcon_ext.synthetic.generators.training_pictures import (
    Frame,
    TrainingPictures,
    fitted_spec,
    same_batches,
    standard_normal,
)
from supcon_ext.synthetic.image_seed import image_seed

SMALLEST = 4
"""Sides are halved down to about this many points."""


@generator("class_vae")
class ClassVAE(Generator):
    """A small variational auto-encoder of the set's pixels, by class; quick, and blurred.

    The error of the pixels is taken with the variance that fits it best (Rybkin et al. 2021), so
    that nothing has to be balanced against the codes. A sample is the decoder's mean for a class
    and a code drawn from a standard normal distribution.

    Args:
        steps: Of training.
        batch: Pictures a step.
        width: Channels of the first level, doubled at each further one.
        code: Numbers of a code.
        size: Side that pictures are resized to; None for their own, which must then be one.
        lr: Learning rate of AdamW, which falls to 0 by a cosine.
        balance: 0 draws classes as often as they come, 1 all alike.
    """

    trains = True

    def __init__(
        self,
        steps: Annotated[int, Field(ge=1)] = 600,
        batch: Annotated[int, Field(ge=1)] = 64,
        width: Annotated[int, Field(ge=4)] = 32,
        code: Annotated[int, Field(ge=1)] = 16,
        size: Annotated[int, Field(ge=4)] | None = None,
        lr: Annotated[float, Field(gt=0)] = 2e-3,
        balance: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        self.steps = steps
        self.batch = batch
        self.width = width
        self.code = code
        self.size = size
        self.lr = lr
        self.balance = balance

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        self.spec = fitted_spec(real, self.size, self.name)
        pictures = TrainingPictures(real, trusted, self.spec, 2 ** self._levels())
        with seeded_weights(seed, "class_vae"):
            network = self._network()
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        drawn_by = derived_seed(seed, "class_vae")
        batches = pictures.batches(
            self.batch, self.steps, self.balance, len(self.classes), drawn_by
        )
        for step, (x, label, drawn) in enumerate(batches):
            mean, log_variance = network.encode(x, label)
            noise = torch.randn(mean.shape, generator=drawn)
            told = network.decode(mean + (log_variance / 2).exp() * noise, label)
            optimizer.zero_grad()
            vae_loss(told, x, mean, log_variance).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 100.0)
            optimizer.step()
            schedule.step()
            progress(step + 1, self.steps)
        self.network = network.eval()

    @torch.no_grad()
    def _make(self, asked: Sequence[Asked], seed: int) -> list[ImageArray]:
        frame = Frame(self.spec, 2 ** self._levels())
        made: list[ImageArray] = []
        for rows in same_batches(len(asked)):
            label = torch.tensor([int(asked[row].what) for row in rows])
            seeds = [image_seed(seed, *asked[row]) for row in rows]
            made += frame.pictures(self.network.decode(standard_normal(seeds, (self.code,)), label))
        return made[: len(asked)]

    def _levels(self) -> int:
        longest, levels = max(self.spec.size or (SMALLEST,)), 1
        while longest // 2**levels > SMALLEST:
            levels += 1
        return levels

    def _network(self) -> ConditionalVAE:
        frame = Frame(self.spec, 2 ** self._levels())
        return ConditionalVAE(frame.shape, len(self.classes), self._levels(), self.width, self.code)

    def state(self) -> dict[str, Any]:
        """The network's weights."""
        return {"network": self.network.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them."""
        with seeded_weights(0, "class_vae"):
            self.network = self._network()
        self.network.load_state_dict(state["network"])
        self.network.eval()


def vae_loss(told: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Negative evidence bound of a picture, with the best variance of the pixels' error.

    Args:
        told: ``(B, C, S, S)`` decoded.
        x: ``(B, C, S, S)`` true.
        mean: ``(B, L)`` of the codes.
        log_variance: ``(B, L)`` of the codes.

    Returns:
        A number, in nats a picture, up to a constant.
    """
    error = (told - x).pow(2).mean()
    pixels = x[0].numel() / 2 * (error + 1e-6).log()
    codes = 0.5 * (mean.pow(2) + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return pixels + codes


class ConditionalVAE(nn.Module):
    """Convolutions that halve the sides down to a code, and back; both are told the class.

    Args:
        shape: ``(C, H, W)``; sides are multiples of two to the levels.
        classes: Number of classes.
        levels: How often sides are halved.
        width: Channels of the first level, doubled at each further one, up to eight times.
        code: L.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, levels: int, width: int, code: int
    ) -> None:
        super().__init__()
        channels, high, wide = shape
        widths = [width * min(2**level, 8) for level in range(levels + 1)]
        self.small = (widths[-1], high // 2**levels, wide // 2**levels)
        flat = self.small[0] * self.small[1] * self.small[2]
        self.of_class = nn.Embedding(classes, 4 * width)
        down: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1), nn.SiLU()]
        for narrow, broad in itertools.pairwise(widths):
            down += [nn.Conv2d(narrow, broad, 4, 2, 1), nn.GroupNorm(4, broad), nn.SiLU()]
        self.down = nn.Sequential(*down, nn.Flatten())
        self.to_code = nn.Linear(flat + 4 * width, 2 * code)
        self.of_code = nn.Linear(code + 4 * width, flat)
        up: list[nn.Module] = []
        for broad, narrow in itertools.pairwise(widths[::-1]):
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(broad, narrow, 3, padding=1)]
            up += [nn.GroupNorm(4, narrow), nn.SiLU()]
        self.up = nn.Sequential(*up, nn.Conv2d(widths[0], channels, 3, padding=1), nn.Tanh())

    def encode(self, x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, L)`` mean and logarithm of the variance of each picture's code."""
        told = self.to_code(torch.cat([self.down(x), self.of_class(label)], 1))
        mean, log_variance = told.chunk(2, 1)
        return mean, log_variance.clamp(-10, 10)

    def decode(self, code: Tensor, label: Tensor) -> Tensor:
        """``(B, C, H, W)`` in [-1, 1]."""
        flat = self.of_code(torch.cat([code, self.of_class(label)], 1))
        decoded: Tensor = self.up(flat.unflatten(1, self.small))
        return decoded

"""A small diffusion model of pixels, conditioned on the class, trained on the set at hand.

Letters: B rows of a batch, C channels, H and W sides of the grid that the network sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from data_tools.optional_package import optional_package
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

NOISE_STEPS = 1000
EMA = 0.995
LEVELS = 2
GRID = 16
"""Sides of the grid that are not exceeded, where the patch is not said."""


@generator("class_diffusion")
class ClassDiffusion(Generator):
    """A small diffusion model of the set's pixels, by class, as DiffuLT (2024) fills long tails.

    diffusers' ``UNet2DModel`` with a class embedding learns to predict the noise; classes are drawn
    more evenly than they come, and left out now and then, so that samples can be guided towards
    their class. Sampling is DDIM without noise of its own. Pixels of a patch are channels of the
    network, so that it works on a grid of at most 16 x 16: at full resolution a step at 32 x 32
    takes two seconds of a core.

    Args:
        steps: Of training.
        batch: Pictures a step.
        width: Channels of the first level; the second has twice as many.
        patch: Side of the patches; None makes the grid as large as 16 x 16 allows.
        size: Side that pictures are resized to; None for their own, which must then be one.
        lr: Learning rate of AdamW, which falls to 0 by a cosine.
        balance: 0 draws classes as often as they come, 1 all alike.
        drop: How often the class is left out.
        sampling_steps: Of DDIM.
        guidance: How far samples go beyond what the class alone says; 1 is not at all.
    """

    trains = True

    def __init__(
        self,
        steps: Annotated[int, Field(ge=1)] = 500,
        batch: Annotated[int, Field(ge=1)] = 64,
        width: Annotated[int, Field(ge=8, multiple_of=8)] = 32,
        patch: Annotated[int, Field(ge=1)] | None = None,
        size: Annotated[int, Field(ge=4)] | None = None,
        lr: Annotated[float, Field(gt=0)] = 2e-3,
        balance: Annotated[float, Field(ge=0, le=1)] = 0.5,
        drop: Annotated[float, Field(gt=0, lt=1)] = 0.1,
        sampling_steps: Annotated[int, Field(ge=1, le=NOISE_STEPS)] = 20,
        guidance: Annotated[float, Field(ge=1)] = 2.0,
    ) -> None:
        self.steps = steps
        self.batch = batch
        self.width = width
        self.patch = patch
        self.size = size
        self.lr = lr
        self.balance = balance
        self.drop = drop
        self.sampling_steps = sampling_steps
        self.guidance = guidance

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        self.spec = fitted_spec(real, self.size, self.name)
        pictures = TrainingPictures(real, trusted, self.spec, self._multiple())
        with seeded_weights(seed, "class_diffusion"):
            network = self._network()
        average = {name: value.clone() for name, value in network.state_dict().items()}
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        noising = _library().DDPMScheduler(NOISE_STEPS, beta_schedule="squaredcos_cap_v2")
        drawn_by = derived_seed(seed, "class_diffusion")
        batches = pictures.batches(
            self.batch, self.steps, self.balance, len(self.classes), drawn_by
        )
        for step, (x, label, drawn) in enumerate(batches):
            x = nn.functional.pixel_unshuffle(x, self._patch())
            left_out = torch.rand(len(x), generator=drawn) < self.drop
            label = torch.where(left_out, len(self.classes), label)
            noise = torch.randn(x.shape, generator=drawn)
            time = torch.randint(NOISE_STEPS, (len(x),), generator=drawn)
            told = network(noising.add_noise(x, noise, time), time, class_labels=label).sample
            loss = nn.functional.mse_loss(told, noise)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            _follow(average, network, min(EMA, (1 + step) / (10 + step)))
            progress(step + 1, self.steps)
        network.load_state_dict(average)
        self.network = network.eval()

    def _make(self, asked: Sequence[Asked], seed: int) -> list[ImageArray]:
        frame = Frame(self.spec, self._multiple())
        made: list[ImageArray] = []
        for rows in same_batches(len(asked)):
            label = torch.tensor([int(asked[row].what) for row in rows])
            noise = standard_normal(
                [image_seed(seed, *asked[row]) for row in rows], self._grid(frame)
            )
            x = nn.functional.pixel_shuffle(self._denoised(noise, label), self._patch())
            made += frame.pictures(x)
        return made[: len(asked)]

    @torch.no_grad()
    def _denoised(self, x: Tensor, label: Tensor) -> Tensor:
        denoising = _library().DDIMScheduler(
            NOISE_STEPS, beta_schedule="squaredcos_cap_v2", clip_sample=True
        )
        denoising.set_timesteps(self.sampling_steps)
        labels = torch.cat([label, torch.full_like(label, len(self.classes))])
        for time in denoising.timesteps:
            both = self.network(torch.cat([x, x]), time, class_labels=labels).sample
            of_class, of_any = both.chunk(2)
            x = denoising.step(of_any + self.guidance * (of_class - of_any), time, x).prev_sample
        return x

    def _patch(self) -> int:
        if self.patch is not None:
            return self.patch
        longest, patch = max(self.spec.size or (GRID,)), 1
        while -(-longest // patch) > GRID:
            patch *= 2
        return patch

    def _multiple(self) -> int:
        return int(self._patch() * 2 ** (LEVELS - 1))

    def _grid(self, frame: Frame) -> tuple[int, int, int]:
        patch, (channels, high, wide) = self._patch(), frame.shape
        return channels * patch**2, high // patch, wide // patch

    def _network(self) -> Any:
        channels, high, wide = self._grid(Frame(self.spec, self._multiple()))
        return _library().UNet2DModel(
            sample_size=(high, wide),
            in_channels=channels,
            out_channels=channels,
            block_out_channels=(self.width, 2 * self.width),
            layers_per_block=1,
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            num_class_embeds=len(self.classes) + 1,
        )

    def state(self) -> dict[str, Any]:
        """The network's averaged weights."""
        return {"network": self.network.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them."""
        with seeded_weights(0, "class_diffusion"):
            self.network = self._network()
        self.network.load_state_dict(state["network"])
        self.network.eval()


def _library() -> Any:
    return optional_package(
        "diffusers",
        "the generator class_diffusion",
        "supcon-ext[generate]",
        "the generator class_vae",
    )


def _follow(average: dict[str, Tensor], network: nn.Module, keep: float) -> None:
    with torch.no_grad():
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - keep)

"""What embeds: an encoder with weights, and how it wants its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from data_tools.input_spec import InputSpec
from data_tools.picture_reading import EIGHT_BIT_COLOUR, Reading
from data_tools.registry import Spec, family
from supcon_ext.experiment.checked_parts import backbone_of
from supcon_ext.experiment.folder import find_run, run_meanings
from supcon_ext.experiment.open import open_encoder
from supcon_ext.experiment.preprocessing import Preprocessing, expect_spec
from supcon_ext.meanings import Meaning, one_meaning
from supcon_ext.models.base import Backbone
from supcon_ext.models.weights import load_weights, read_weights
from supcon_ext.policies.base import ViewContext
from supcon_ext.recipe.families import load_families
from supcon_ext.seeding import seeded_weights

TIMM = "timm:"
PLAIN = "none"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SIZE = 224


@dataclass(frozen=True)
class Encoder:
    """An encoder, ready to be used.

    Attributes:
        network: In evaluation mode.
        size: Side of the pictures that it takes, in pixels.
        crop: Share of the resized short side that the centre crop keeps; None for the share that
            runs have at this size.
        mean: Of each channel, in [0, 1] units.
        std: Likewise.
        trained_on: What its pictures must be like, where a run trained it.
    """

    network: Backbone
    size: int
    crop: float | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    trained_on: Preprocessing | None = None

    def context(self, spec: InputSpec) -> ViewContext:
        """What a policy is told of pictures that go to this encoder.

        Raises:
            ValueError: They are not like those that a run trained it on.
        """
        if self.trained_on is not None:
            expect_spec(spec, self.trained_on)
        return ViewContext(
            self.size, spec.channels, spec.flips, self.mean, self.std, spec.dtype, spec.scale
        )

    def settled(self, policy: Spec) -> Spec:
        """A policy with the crop that this encoder wants, if it is ``none`` and says nothing."""
        if policy.kind != PLAIN or policy.params["crop_fraction"] is not None:
            return policy
        return Spec("policy", PLAIN, {"crop_fraction": self.crop})

    def weights_hash(self) -> str:
        """SHA-256 of all its numbers, by their names."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            numbers = tensor.detach().cpu().contiguous()
            digest.update(f"{name}:{numbers.dtype}:{tuple(numbers.shape)}:".encode())
            digest.update(numbers.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class FoundEncoder:
    """An encoder that is made when it is known what it is to embed.

    Attributes:
        make: Makes it for pictures of so many channels.
        reading: How it wants files of pictures to be read that say nothing of it themselves.
    """

    make: Callable[[int], Encoder]
    reading: Reading = EIGHT_BIT_COLOUR

    def __call__(self, channels: int) -> Encoder:
        """The encoder, for pictures of so many channels.

        Raises:
            ValueError: It does not take them.
        """
        return self.make(channels)


def find_encoder(
    text: str,
    *,
    weights: Path | None = None,
    size: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> FoundEncoder:
    """The encoder that a user names. What can be known to be wrong by its name is told here.

    Args:
        text: ``timm:NAME``; a finished run, by folder or name; the dotted path of a function that
            makes a backbone, or the name of a registered one.
        weights: File of weights for timm's network or the plug-in's, in place of its own.
        size: Side of the pictures; None for the encoder's own. With it, timm's networks and
            plug-ins get pictures from which only what makes them square is cropped.
        tell: Given a line where a backbone is taken whose name begins a run's.

    Raises:
        ValueError: It is none of these, or several, or takes no file of weights.
    """
    load_families()
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f"Expected a file of weights, but {weights} does not exist.")
    if text.startswith(TIMM):
        from supcon_ext.embed.timm_encoder import find_timm

        return find_timm(text.removeprefix(TIMM), weights, size)
    folder = _named(text, tell)
    if folder is None:
        return _plug_in(text, weights, size)
    if weights is not None:
        raise ValueError(
            f"Expected no file of weights beside the run {folder}, which has its own, but got "
            f"{weights}."
        )
    return _of_run(folder, size)


def fitting(
    channels: int, mean: Sequence[float], std: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Statistics of three channels for pictures of one or three: those of grey are the average.

    Raises:
        ValueError: Pictures of another number of channels.
    """
    if channels == len(mean):
        return tuple(mean), tuple(std)
    if channels != 1:
        raise ValueError(
            f"Expected pictures of {len(mean)} channels or grey ones, which the encoder knows the "
            f"mean and std of, but got {channels}. Try: `mode: rgb` of the data set."
        )
    return (sum(mean) / len(mean),), (sum(std) / len(std),)


def _named(text: str, tell: Callable[[str], None]) -> Path | None:
    """The folder of the run that a text names; None where it names a backbone.

    Raises:
        ValueError: It names neither, or several.
    """
    meanings: list[Meaning[Path | None]] = [*run_meanings(text)]
    no_backbone = ""
    try:
        target = family("backbone").get(text).target
    except KeyError as error:
        no_backbone = error.args[0]
    else:
        path = f"{target.__module__}.{target.__qualname__}"
        meanings.append(Meaning("backbone", path, None))
    found = one_meaning(text, meanings, tell)
    if found is not None:
        return found.value
    try:
        return find_run(text)  # says which there are
    except ValueError as no_run:
        raise ValueError(
            f"Expected timm:NAME, a finished run or a backbone, but got {text}: {no_backbone}. "
            f"Nor is it a run: {no_run}"
        ) from None


def _plug_in(text: str, weights: Path | None, size: int | None) -> FoundEncoder:
    backbones = family("backbone")

    def make(channels: int) -> Encoder:
        with seeded_weights(0, text):
            network = backbone_of(backbones.spec(text), "image")(channels)
        if weights is not None:
            load_weights(network, read_weights(weights))
        own = _own_input(network)
        mean, std = fitting(channels, own["mean"], own["std"])
        if size is not None:
            return Encoder(network.eval(), size, 1.0, mean, std)
        return Encoder(network.eval(), own["size"], own["crop"], mean, std)

    return FoundEncoder(make)


def _own_input(network: Backbone) -> dict[str, Any]:
    """The pictures that an encoder says it wants, as this toolkit or timm writes it down."""
    said = getattr(network, "own_input", None)
    if said is not None:
        return {"mean": said.mean, "std": said.std, "size": said.size, "crop": None}
    told = getattr(network.trunk, "pretrained_cfg", None) or {}
    return {
        "mean": told.get("mean", IMAGENET_MEAN),
        "std": told.get("std", IMAGENET_STD),
        "size": int(told.get("input_size", (SIZE,))[-1]),
        "crop": float(told.get("crop_pct", 1.0)),
    }


def _of_run(folder: Path, size: int | None) -> FoundEncoder:
    opened = open_encoder(folder)
    wanted = opened.preprocessing
    made = Encoder(
        opened.network, size or wanted.size or SIZE, None, wanted.mean, wanted.std, wanted
    )
    return FoundEncoder(lambda channels: made, wanted.reading)

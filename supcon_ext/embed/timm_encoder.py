"""Encoders of the timm library, with its weights or a file's, and the pictures they want."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from supcon_ext.embed.encoder import Encoder, FoundEncoder, fitting
from supcon_ext.models.backbones.timm_model import timm_model
from supcon_ext.models.base import Backbone
from supcon_ext.models.fetching import NotFetched
from supcon_ext.models.weights import load_weights, read_weights


def find_timm(name: str, weights: Path | None, size: int | None) -> FoundEncoder:
    """A network of timm's by its name, without its classifier.

    Args:
        name: With or without a tag of weights.
        weights: File of weights; None fetches timm's.
        size: Side of the pictures; None for the network's own, with its own crop.

    Raises:
        ValueError: timm has no such network.
    """
    import timm

    if ":" not in name and not timm.is_model(name):
        timm_model(3, name=name)  # says which names are near

    def make(channels: int) -> Encoder:
        network = _made(name, channels, size, pretrained=weights is None)
        if weights is not None:
            load_weights(network, read_weights(weights))
        own = _settings(network.trunk)
        mean, std = fitting(channels, tuple(own["mean"]), tuple(own["std"]))
        if size is not None:
            return Encoder(network.eval(), size, 1.0, mean, std)
        return Encoder(network.eval(), own["input_size"][-1], own["crop_pct"], mean, std)

    return FoundEncoder(make)


def _settings(network: nn.Module) -> dict[str, Any]:
    from timm.data import resolve_model_data_config

    settings: dict[str, Any] = resolve_model_data_config(network)
    return settings


def _made(name: str, channels: int, size: int | None, *, pretrained: bool) -> Backbone:
    """The network, told its size where it must know it."""
    try:
        return _fetched(name, channels, size, pretrained)
    except ValueError as error:
        if size is None or "`image_size`" not in str(error):
            raise
        return _fetched(name, channels, None, pretrained)  # takes pictures of any size


def _fetched(name: str, channels: int, size: int | None, pretrained: bool) -> Backbone:
    try:
        with _quiet_hub():
            return timm_model(channels, name=name, pretrained=pretrained, image_size=size)
    except NotFetched as error:
        raise ValueError(
            f"Expected the weights of timm's {name}, but they cannot be fetched: {error.reason}. "
            f"Try: a connection to the hub, or --weights FILE with the weights in it."
        ) from error


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Without a line for each time that the hub is asked again."""
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "timm")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""A recipe's encoder: made, given its first weights, frozen or adapted as the recipe says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data_tools.registry import Spec
from supcon_ext.experiment.checked_parts import backbone_of
from supcon_ext.models.base import Backbone
from supcon_ext.models.first_weights import FirstWeights, weights_digest
from supcon_ext.models.freezing import freeze
from supcon_ext.models.lora import add_lora
from supcon_ext.models.recomputing import recompute_blocks
from supcon_ext.models.weights import file_digest, load_weights, read_weights
from supcon_ext.recipe.schema import ModelSection

PRETRAINED = "pretrained"  # the parameter of every backbone that can fetch weights

CHOICE = "model.partial_weights=true"


def encoder_of(model: ModelSection, kind: str, fresh: bool) -> Callable[[int], Backbone]:
    """The maker of an encoder, for a number of channels.

    Args:
        model: What the recipe says.
        kind: Of the samples: image or vector.
        fresh: Whether it needs its first weights; else a checkpoint's come in their place, and
            neither a file nor a network is needed.
    """
    spec = model.backbone
    named = bool(spec.params.get(PRETRAINED))
    if named and not fresh:
        spec = Spec(spec.family, spec.kind, {**spec.params, PRETRAINED: False})

    plain = backbone_of(spec, kind)

    def make(channels: int) -> Backbone:
        encoder = plain(channels)
        if fresh:
            encoder.first_weights = _first_weights(encoder, model)
        encoder.pretrained = encoder.pretrained or named or model.weights is not None
        if model.lora is not None:
            add_lora(encoder, **model.lora.model_dump())
        if model.freeze is not None:
            freeze(encoder, model.freeze)
        if model.checkpointing:
            recompute_blocks(encoder)
        return encoder

    return make


def _first_weights(encoder: Backbone, model: ModelSection) -> FirstWeights | None:
    """Put the weights of the recipe's file into an encoder, or tell which it brings."""
    if model.weights is not None:
        file = read_weights(Path(model.weights))
        fit = load_weights(encoder, file, partial=model.partial_weights, choice=CHOICE)
        return FirstWeights(model.weights, file.sha256, str(fit))
    if encoder.pretrained:
        name = model.backbone.params.get("name")
        source = f"{model.backbone.kind}:{name}" if name else model.backbone.kind
        return FirstWeights(source, weights_digest(encoder.trunk.state_dict()))
    return None


def change_of_weights(model: ModelSection, sha256: str) -> str | None:
    """What became of the file that a run began with, in words; None where it is as it was."""
    if model.weights is None:
        return None
    path = Path(model.weights)
    rest = "the run goes on with the weights of its checkpoint"
    if not path.is_file():
        return f"{path}, which the first weights came from, is not there any more: {rest}"
    if file_digest(path) != sha256:
        return f"{path}, which the first weights came from, has changed since: {rest}"
    return None

"""Encoder, projector and classifier as one module, and how it is built from a seed.

Letters: B batch, F features, D embedding, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from torch import Tensor, nn

from supcon_ext.models.base import Backbone
from supcon_ext.models.heads import Classifier, CosineClassifier, LinearClassifier, Projector
from supcon_ext.models.seeding import seeded_weights

CLASSIFIERS: Mapping[str, type[Classifier]] = {
    "linear": LinearClassifier,
    "cosine": CosineClassifier,
}


class Outputs(NamedTuple):
    """What the network says of a batch."""

    features: Tensor
    """``(B, F)``, the encoder's output."""
    z: Tensor
    """``(B, D)`` float32, unit norm, for the contrastive loss."""
    logits: Tensor
    """``(B, C)``."""


class Network(nn.Module):
    """Encoder with a projector and a classifier side by side on its features.

    Args:
        backbone: ``(B, C, H, W)`` to ``(B, F)``.
        projector: ``(B, F)`` to ``(B, D)`` of unit norm.
        classifier: ``(B, F)`` to ``(B, C)``.
    """

    def __init__(self, backbone: Backbone, projector: Projector, classifier: Classifier) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector
        self.classifier = classifier

    def forward(self, images: Tensor) -> Outputs:
        """All three outputs of a batch.

        Args:
            images: ``(B, C, H, W)`` float.
        """
        features = cast(Tensor, self.backbone(images))
        return Outputs(features, self.projector(features), self.classifier(features))


def build_network(
    backbone: Callable[[int], Backbone],
    channels: int,
    classes: int,
    *,
    projector: Mapping[str, Any] | None = None,
    classifier: Mapping[str, Any] | None = None,
    seed: int,
) -> Network:
    """Make a network whose initial weights follow from the seed alone.

    Encoder, projector and classifier draw from streams of their own: two networks of one seed share
    the encoder's weights whatever their heads are. What ran before does not matter, and torch's
    global generator is left alone.

    Args:
        backbone: Makes the encoder for a number of image channels.
        channels: Channels of the images, 1 or 3.
        classes: Number of classes.
        projector: Arguments of :class:`Projector` by name, without ``in_dim``.
        classifier: ``kind`` (``linear``, the default, or ``cosine``) and the other arguments of
            that class by name, without ``in_dim`` and ``classes``.
        seed: At least 0.

    Returns:
        The network, on the CPU, in training mode.

    Raises:
        ValueError: An unknown classifier, or an argument out of range.
    """
    settings = dict(classifier or {})
    kind = settings.pop("kind", "linear")
    if kind not in CLASSIFIERS:
        raise ValueError(
            f"Expected one of {', '.join(CLASSIFIERS)} of key `kind` of argument `classifier`, "
            f"but got {kind!r}. Try: linear."
        )
    with seeded_weights(seed, "backbone"):
        encoder = backbone(channels)
    with seeded_weights(seed, "projector"):
        projection = Projector(encoder.dim, **(projector or {}))
    with seeded_weights(seed, "classifier"):
        classification = CLASSIFIERS[kind](encoder.dim, classes, **settings)
    return Network(encoder, projection, classification)

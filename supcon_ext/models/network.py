"""Encoder, projector and classifier as one module, and how it is built from a seed.

Letters: B batch, F features, D embedding, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import cast

import torch
from torch import Tensor, nn

from supcon_ext.models.base import Backbone
from supcon_ext.models.heads.base import Head
from supcon_ext.models.heads.linear import LinearClassifier
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.models.own_input import OwnInput
from supcon_ext.models.source_switch import SourceSwitch
from supcon_ext.models.tokens import TokenBackbone
from supcon_ext.models.unit_rows import unit_rows
from supcon_ext.seeding import seeded_weights

MakeHead = Callable[[int, int], Head]
"""``(in_dim, classes)`` to a head."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a network says of a batch.

    Attributes:
        features: ``(B, F)``, the encoder's output.
        z: ``(B, D)`` float32, unit norm, for the contrastive loss.
        logits: ``(B, C)``.
        more: By name, what further heads of the network say, a row an image: ``predictor``,
            ``(B, D)`` float32, unit norm, where the network has one.
    """

    features: Tensor
    z: Tensor
    logits: Tensor
    more: Mapping[str, Tensor] = field(default_factory=dict)

    def map(self, change: Callable[[Tensor], Tensor]) -> Outputs:
        """The same with each tensor changed."""
        return Outputs(
            change(self.features),
            change(self.z),
            change(self.logits),
            {name: change(part) for name, part in self.more.items()},
        )

    @staticmethod
    def cat(parts: Sequence[Outputs]) -> Outputs:
        """The rows of several batches, one after the other; all have the same heads."""
        return Outputs(
            torch.cat([part.features for part in parts]),
            torch.cat([part.z for part in parts]),
            torch.cat([part.logits for part in parts]),
            {name: torch.cat([part.more[name] for part in parts]) for name in parts[0].more},
        )

    def split(self, sizes: Sequence[int]) -> list[Outputs]:
        """The outputs of so many rows each, in order."""
        ends = list(accumulate(sizes, initial=0))
        return [self.map(itemgetter(slice(*part))) for part in pairwise(ends)]


class Network(nn.Module):
    """Encoder with a projector and a classifier side by side on its features.

    Args:
        backbone: ``(B, C, H, W)`` to ``(B, F)``.
        projector: ``(B, F)`` to ``(B, D)``, whose rows are then scaled to norm 1.
        classifier: ``(B, F)`` to ``(B, C)``.
        predictor: ``(B, D)`` to ``(B, D)``, on the projector's rows before they are scaled; None
            for none.
        patch_head: ``(n, F)`` patch tokens to ``(n, K)`` scores, for :meth:`token_scores`; None for
            none.
        cls_head: The same of features; None for the head of the patches.

    Attributes:
        sources: Tells batch norms which rows are synthetic, see
            :func:`~supcon_ext.models.source_norms.separate_norms`; None where they are not apart.
    """

    def __init__(
        self,
        backbone: Backbone,
        projector: Head,
        classifier: Head,
        predictor: Head | None = None,
        patch_head: Head | None = None,
        cls_head: Head | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector
        self.classifier = classifier
        self.predictor = predictor
        self.patch_head = patch_head
        self.cls_head = cls_head
        self.sources: SourceSwitch | None = None

    @property
    def own_input(self) -> OwnInput | None:
        """The images that the encoder's weights were trained on; None where they were drawn."""
        return self.backbone.own_input if self.backbone.pretrained else None

    def forward(self, images: Tensor) -> Outputs:
        """All outputs of a batch.

        Args:
            images: ``(B, C, H, W)`` float.

        Raises:
            ValueError: A head gave rows of another shape than it tells.
        """
        return self._said_of(cast(Tensor, self.backbone(images)))

    def _said_of(self, features: Tensor) -> Outputs:
        projection = _rows("projector", self.projector, features)
        more = {}
        if self.predictor is not None:
            more["predictor"] = unit_rows(_rows("predictor", self.predictor, projection))
        logits = _rows("classifier", self.classifier, features)
        return Outputs(features, unit_rows(projection), logits, more)

    def with_tokens(self, images: Tensor) -> tuple[Outputs, Tensor | None]:
        """All outputs of a batch, and of the same pass its patch tokens for :meth:`scores`.

        Args:
            images: ``(B, C, H, W)`` float.

        Returns:
            The outputs; ``(B, T, F)`` tokens, None where there is no head for them.
        """
        if self.patch_head is None or not isinstance(self.backbone, TokenBackbone):
            return self(images), None
        features, tokens = self.backbone.tokens(images)
        return self._said_of(features), tokens

    def token_scores(
        self, images: Tensor, mask: Tensor, mask_token: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What the heads of features and patch tokens say of images with holes.

        Args:
            images: ``(B, C, H, W)`` float.
            mask: ``(B, T)`` bool, the patches that are looked at.
            mask_token: ``(E,)`` what these are replaced by; None leaves the images whole.

        Returns:
            ``(B, K)`` scores of features, ``(n, K)`` of the n looked-at patches, image by image.

        Raises:
            ValueError: The encoder hands out no tokens, or there is no head for them.
        """
        if self.patch_head is None or not isinstance(self.backbone, TokenBackbone):
            raise ValueError(
                "Expected a network with a head on patch tokens, but got one without. "
                "Try: model.patch_head=dino"
            )
        hidden = None if mask_token is None else mask
        features, tokens = self.backbone.tokens(images, hidden, mask_token)
        return self.scores(features, tokens[mask])

    def scores(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the heads say of ``(B, F)`` features and of ``(n, F)`` patch tokens.

        Returns:
            ``(B, K)`` and ``(n, K)`` scores.
        """
        patch_head = cast(Head, self.patch_head)
        head = patch_head if self.cls_head is None else self.cls_head
        patches = _rows("patch_head", patch_head, tokens)
        return _rows("cls_head", head, features), patches


def _rows(name: str, head: Head, features: Tensor) -> Tensor:
    rows = cast(Tensor, head(features))
    if rows.shape != (len(features), head.dim):
        raise ValueError(
            f"Expected rows of shape ({len(features)}, {head.dim}) from the {name}, but got "
            f"{tuple(rows.shape)}. Try: correct `dim` of the head."
        )
    return rows


def build_network(
    backbone: Callable[[int], Backbone],
    channels: int,
    classes: int,
    *,
    projector: MakeHead | None = None,
    classifier: MakeHead | None = None,
    predictor: MakeHead | None = None,
    patch_head: MakeHead | None = None,
    cls_head: MakeHead | None = None,
    seed: int,
) -> Network:
    """Make a network whose initial weights follow from the seed alone.

    Encoder, projector and classifier draw from streams of their own: two networks of one seed share
    the encoder's weights whatever their heads are. What ran before does not matter, and torch's
    global generator is left alone.

    Args:
        backbone: Makes the encoder for a number of image channels.
        channels: Channels of the images.
        classes: Number of classes.
        projector: Makes the projector; None for an :class:`MLP` with its defaults.
        classifier: Makes the classifier; None for a :class:`LinearClassifier`.
        predictor: Makes the predictor; None for no predictor.
        patch_head: Makes the head on patch tokens; None for none.
        cls_head: Makes a head of its own for features; None leaves them to the patches' head.
        seed: At least 0.

    Returns:
        The network, on the CPU, in training mode.

    Raises:
        ValueError: The classifier does not give one number a class, the predictor gives vectors of
            another length than the projector, the encoder hands out no tokens for ``patch_head``,
            or an argument is out of range.
    """
    with seeded_weights(seed, "backbone"):
        encoder = backbone(channels)
    with seeded_weights(seed, "projector"):
        projection = projector(encoder.dim, classes) if projector else MLP(encoder.dim)
    with seeded_weights(seed, "classifier"):
        classification = (classifier or LinearClassifier)(encoder.dim, classes)
    if classification.dim != classes:
        raise ValueError(
            f"Expected one number a class ({classes}) from `model.classifier`, but got "
            f"{classification.dim}. Try: `dim: null` of the head, or `linear`."
        )
    prediction = None
    if predictor is not None:
        with seeded_weights(seed, "predictor"):
            prediction = predictor(projection.dim, classes)
        if prediction.dim != projection.dim:
            raise ValueError(
                f"Expected vectors of the projector's length ({projection.dim}) from "
                f"`model.predictor`, but got {prediction.dim}. "
                f"Try: model.predictor.dim={projection.dim}"
            )
    if patch_head is not None and encoder.token_dim is None:
        raise ValueError(
            "Expected a backbone that hands out patch tokens beside `model.patch_head`, but got "
            "one without. Try: model.backbone=vit_small_images, or a vision transformer of timm"
        )
    patches = cls = None
    if patch_head is not None and encoder.token_dim is not None:
        with seeded_weights(seed, "patch_head"):
            patches = patch_head(encoder.token_dim, classes)
    if cls_head is not None:
        with seeded_weights(seed, "cls_head"):
            cls = cls_head(encoder.dim, classes)
    return Network(encoder, projection, classification, prediction, patches, cls)

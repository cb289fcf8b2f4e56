"""Images beside the vectors of their captions, as in StableRep++.

Letters: n images with a caption, T captions of a batch, E numbers of a caption's vector.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from data_tools.samples import SampleSet
from data_tools.training_set import CAPTION, caption_texts
from supcon_ext.losses.gather import gather_rows, global_mean, process_rank, world_size
from supcon_ext.losses.rows import Rows
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.models.unit_rows import unit_rows
from supcon_ext.objectives.base import StepBatch, Term, TermResult, TrainingFacts, term
from supcon_ext.objectives.caption_vectors import read_caption_vectors

LARGEST = math.log(100.0)
SHOWN = 3


@term("image_text")
class ImageText(Term):
    """Symmetric cross-entropy between images and captions (Tian et al. 2023, StableRep++).

    Each image is to be told its caption among those of the batch, and each caption its images, all
    of which are its positives alike: the mean of both, over the batch of all processes. Logits are
    cosines times a learned scale within [1, 100], between the projector's rows and a head's of the
    captions' vectors, which any text encoder has made before. Images without a caption are left
    out.

    Beside `contrastive` with positives by caption, with weight 1 each, it is StableRep++.

    Args:
        vectors: An ``.npz`` file with ``captions``, n texts, and ``vectors``, (n, E) floats; every
            caption of the training set must be there.
        layers: Linear layers of the head on vectors: 1, or 2 with ReLU between.
        hidden: Width of the hidden layer of two.
        scale: The learned scale's first value.
    """

    vectors: Tensor

    def __init__(
        self,
        vectors: str,
        layers: Annotated[int, Field(ge=1, le=2)] = 1,
        hidden: Annotated[int, Field(ge=1, le=2**16)] = 512,
        scale: Annotated[float, Field(ge=1, le=100)] = 1 / 0.07,
    ) -> None:
        super().__init__()
        self.places, self.known = read_caption_vectors(Path(vectors))
        self.file = vectors
        self.layers = layers
        self.hidden = hidden
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def check(self, samples: SampleSet) -> None:
        """See that the training set has captions, and each a vector.

        Raises:
            ValueError: It has none, or one is not in the file.
        """
        self._expect(caption_texts(samples))

    def _expect(self, captions: tuple[str, ...]) -> None:
        if not captions:
            raise ValueError(
                "Expected training samples with captions for term `image_text`, but got none. "
                "Try: data.synthetic with captions, or a column `caption` of texts"
            )
        missing = [text for text in captions if text not in self.places]
        if missing:
            raise ValueError(
                f"Expected a vector of each of the {len(captions)} captions in {self.file}, but "
                f"{len(missing)} have none: {', '.join(map(repr, missing[:SHOWN]))}. "
                "Try: the captions of the training set, encoded"
            )

    def setup(self, facts: TrainingFacts) -> None:
        """Make the head, and sort the vectors by the captions' numbers."""
        self._expect(facts.captions)
        rows = self.known[[self.places[text] for text in facts.captions]]
        self.register_buffer("vectors", torch.from_numpy(rows), persistent=False)
        self.head = MLP(rows.shape[1], self.hidden, facts.dim, self.layers, batch_norm=False)

    def forward(self, batch: StepBatch) -> TermResult:
        """The mean of both directions; logs each, and the scale."""
        mine = batch.rows(self.views)
        if CAPTION not in mine.beliefs.columns:
            raise ValueError("Expected a column `caption` of the rows, but got none")
        caption = mine.beliefs.columns[CAPTION][mine.sample]
        rows = Rows.of(batch.outputs().z[mine.place], caption)
        everyone, start = gather_rows(rows) if world_size() > 1 else (rows, 0)
        own = torch.zeros(len(everyone), dtype=torch.bool, device=caption.device)
        own[start : start + len(rows)] = True
        told = everyone.label >= 0
        with torch.no_grad():
            self.log_scale.clamp_(0, LARGEST)
        if not bool(told.any()):
            return TermResult(0.0 * (rows.z.sum() + self.log_scale + sum(
                parameter.sum() for parameter in self.head.parameters()
            )))  # fmt: skip
        present, place = torch.unique(everyone.label[told], return_inverse=True)
        texts = unit_rows(cast(Tensor, self.head(self.vectors[present])))
        z, own = everyone.z[told], own[told]
        with torch.autocast(z.device.type, enabled=False):
            logits = self.log_scale.exp() * (unit_rows(z) @ texts.T)
        to_text = -logits.log_softmax(1).gather(1, place[:, None])[:, 0]
        images, _ = global_mean(to_text, own.to(logits.dtype))
        positives = (torch.arange(len(present), device=place.device)[:, None] == place).to(z.dtype)
        to_image = -(logits.T.log_softmax(1) * positives).sum(1) / positives.sum(1)
        number = torch.arange(len(present), device=place.device)
        share = (number % world_size() == process_rank()).to(logits.dtype)
        captions, _ = global_mean(to_image, share)
        stats = {
            "to_text": images.detach(),
            "to_image": captions.detach(),
            "scale": self.log_scale.detach().exp(),
        }
        return TermResult((images + captions) / 2, stats)

"""iBOT: what the twin says of patches that the student does not see.

Letters: R images of the view group, n masked ones, T patches, p hidden patches of all of them, K
prototypes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from supcon_ext.losses.gather import global_mean
from supcon_ext.models.heads.base import Head
from supcon_ext.models.tokens import TokenBackbone
from supcon_ext.objectives.assignment import centred, mean_of_all, sinkhorn_knopp
from supcon_ext.objectives.base import (
    GroupRows,
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.masks import Shape, masked_images, patch_masks
from supcon_ext.objectives.passes import Pass, covered
from supcon_ext.stage_epochs import StageEpochs

Share = Annotated[float, Field(gt=0, le=1)]
Temperature = Annotated[float, Field(gt=0)]


@term("ibot")
class IBot(Term):
    """Masked patch tokens learn the EMA twin's prototypes (Zhou et al. 2022, iBOT; in SynCLR).

    Some images of ``views`` are passed through the network once more, with some of their patches
    hidden by a learned token; the twin sees them whole. At every hidden patch the student's softmax
    over the prototypes of ``model.patch_head`` is to be the twin's assignment: cross-entropy,
    averaged over the hidden patches of an image and then over the images of all processes.

    The pass is the term's own, so that other terms see whole images; in the authors' code the
    contrastive loss sees the images with holes. The twin's pass is that of other terms of the stage
    which ask for it.

    With ``cls_weight`` the features learn likewise (Caron et al. 2021, DINO): those of an image
    with holes from the twin's of the other views of the group, or of the same view where there is
    one, through ``model.cls_head``, or the head of the patches where there is none.

    Args:
        masked_images: Share of the images that are masked.
        masked_tokens: Share of their patches that are hidden.
        mask: ``random`` patches or ``block`` ones, see
            :func:`~supcon_ext.objectives.masks.patch_masks`.
        mask_first_n: Mask the first images of each batch in place of drawn ones.
        assignment: The twin's scores made even by ``sinkhorn`` (Sinkhorn-Knopp, three iterations),
            or by ``centring``, a running mean taken off.
        student_temperature: Of the student's softmax.
        teacher_temperature: Of the twin's assignment, after the warm-up.
        warmup_temperature: The same at the stage's start.
        warmup_epochs: Epochs in which it goes from one to the other in a straight line.
        centre_momentum: Share of the old mean that is kept in each step.
        cls_weight: Factor on the features' loss; 0 for none.
    """

    centre: Tensor
    cls_centre: Tensor

    def __init__(
        self,
        masked_images: Share = 0.5,
        masked_tokens: Share = 0.5,
        mask: Shape = "random",
        mask_first_n: bool = False,
        assignment: Literal["sinkhorn", "centring"] = "sinkhorn",
        student_temperature: Temperature = 0.1,
        teacher_temperature: Temperature = 0.07,
        warmup_temperature: Temperature = 0.04,
        warmup_epochs: Annotated[
            float,
            Field(ge=0, allow_inf_nan=False),
            StageEpochs("the teacher temperature does not reach its end", begins=False),
        ] = 0.0,
        centre_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        cls_weight: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__()
        self.masked_images = masked_images
        self.masked_tokens = masked_tokens
        self.mask: Shape = mask
        self.mask_first_n = mask_first_n
        self.assignment = assignment
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.warmup_temperature = warmup_temperature
        self.warmup_epochs = warmup_epochs
        self.centre_momentum = centre_momentum
        self.cls_weight = cls_weight
        self.epochs = 1
        self.twin_is_shared = False

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The masked images with holes; of the twin them alone, or all images for the features."""
        share = None if self.cls_weight else self.masked_images
        holes = Pass("student", "holes", self.views, self.masked_images)
        return holes, Pass("twin", views=self.views, share=share)

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is wrong between this term and its recipe."""
        yield from view_problems(params, stage)
        model = recipe.get("model", {})
        if model.get("patch_head") is None:
            yield (), "Expected `model.patch_head` to be set. Try: model.patch_head=dino"
        if model.get("ema") is None:
            yield (), "Expected `model.ema` to be set: the EMA twin is the teacher"

    def setup(self, facts: TrainingFacts) -> None:
        """Make the mask token and the centres.

        Raises:
            ValueError: The network hands out no tokens, or has no head on them.
        """
        network = facts.network
        head: Head | None = None if network is None else network.patch_head
        if network is None or head is None or not isinstance(network.backbone, TokenBackbone):
            raise ValueError(
                "Expected a network whose backbone hands out patch tokens, with `model.patch_head` "
                "on them, for term `ibot`, but got another. Try: "
                "model.backbone=vit_small_images model.patch_head=dino"
            )
        self.epochs = facts.epochs
        self.twin_is_shared = covered(self.passes[1], [*facts.passes, *self.passes])
        self.mask_token = nn.Parameter(torch.zeros(network.backbone.patch_dim))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.register_buffer("centre", torch.zeros(head.dim))
        if self.cls_weight:
            cls = head if network.cls_head is None else network.cls_head
            self.register_buffer("cls_centre", torch.zeros(cls.dim))

    def temperature(self, progress: float) -> float:
        """The twin's temperature at a share of the stage."""
        done = progress * self.epochs
        share = min(1.0, done / self.warmup_epochs) if self.warmup_epochs else 1.0
        return self.warmup_temperature + share * (
            self.teacher_temperature - self.warmup_temperature
        )

    def forward(self, batch: StepBatch) -> TermResult:
        """The loss of the masked images; logs the features' loss where there is one."""
        rows = batch.rows(self.views)
        images = batch.inputs_of(self.views)
        place = masked_images(len(rows), self.masked_images, self.mask_first_n, batch.generator)
        grid = batch.patch_grid(images)
        mask = patch_masks(len(place), grid, self.masked_tokens, self.mask, batch.generator)
        place, mask = place.to(images.device), mask.to(images.device)
        cls, patches = batch.token_scores(images[place], mask, self.mask_token)
        temperature = self.temperature(batch.progress)
        if self.twin_is_shared:
            whole = mask.new_zeros(len(rows), mask.shape[1]).index_copy_(0, place, mask)
            told_cls, told = batch.twin_scores(self.views, whole)
        else:  # no term needs the twin's pass over all images: the masked ones are enough
            told_cls, told = batch.twin_token_scores(images[place], mask)
        loss = self._patch_loss(patches, told, mask, temperature)
        if not self.cls_weight:
            return TermResult(loss)
        other = self._cls_loss(cls, told_cls, rows, place, temperature)
        stats = {"patches": loss.detach(), "cls": other.detach()}
        return TermResult(loss + self.cls_weight * other, stats)

    def _patch_loss(
        self, patches: Tensor, told: Tensor, mask: Tensor, temperature: float
    ) -> Tensor:
        target, centre = self._assigned(told, self.centre, temperature)
        self.centre.copy_(centre)
        losses = -(target * self._log_softmax(patches)).sum(1)
        image = mask.nonzero()[:, 0]
        total = losses.new_zeros(len(mask)).index_add(0, image, losses)
        mean, _ = global_mean(total / mask.sum(1), torch.ones_like(total))
        return mean

    def _cls_loss(
        self, cls: Tensor, told: Tensor, rows: GroupRows, place: Tensor, temperature: float
    ) -> Tensor:
        target, centre = self._assigned(told, self.cls_centre, temperature)
        self.cls_centre.copy_(centre)
        losses = -(self._log_softmax(cls) @ target.T)
        same = rows.sample[place, None] == rows.sample[None, :]
        itself = place[:, None] == torch.arange(len(rows), device=place.device)[None, :]
        other = same & ~itself
        pairs = torch.where(other.any(1, keepdim=True), other, itself).to(losses.dtype)
        mean, _ = global_mean((pairs * losses).sum(1) / pairs.sum(1), torch.ones_like(losses[:, 0]))
        return mean

    def _log_softmax(self, scores: Tensor) -> Tensor:
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return (wide / self.student_temperature).log_softmax(1)

    def _assigned(
        self, scores: Tensor, centre: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """The twin's assignment, and the centre for the next step."""
        if self.assignment == "sinkhorn":
            return sinkhorn_knopp(scores, temperature), centre
        kept = self.centre_momentum
        moved = kept * centre + (1 - kept) * mean_of_all(scores).to(centre.dtype)
        return centred(scores, centre, temperature), moved

"""The formula in fused kernels: on CUDA, for targets and weights that follow from vectors.

A tile's products, targets, weights and softmax stay on the chip; what is stored is three numbers for each anchor.
The kernels are Triton's (:mod:`supcon_ext.losses.fused_kernels`) and loaded with the first loss. They are wrapped as
operators of torch, so ``torch.compile`` takes them into its graph as they are.

Shape letters: A anchors, K contrasts, D embedding size.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from supcon_ext.losses.factors import Factors

if TYPE_CHECKING:
    from supcon_ext.losses.fused_kernels import Vectors

logger = logging.getLogger(__name__)

ROLES = ("anchor", "contrast", "both")


@cache
def _triton_found(cuda: bool) -> bool:
    found = importlib.util.find_spec("triton") is not None
    if cuda and not found:
        logger.warning("Package `triton` is missing: the loss is computed in tiles, more slowly")
    return found


def fused_available(device: torch.device | str) -> bool:
    """Whether :func:`fused_anchor_losses` can run on this device.

    True on NVIDIA GPUs of compute capability 8.0 or above where Triton is installed (where it is
    missing, that is logged once), and on the CPU in Triton's interpreter, that is with
    ``TRITON_INTERPRET=1`` in the environment before Triton is first imported: slow, for tests.
    """
    device = torch.device(device)
    if device.type == "cuda":
        if torch.version.cuda is None or torch.cuda.get_device_capability(device) < (8, 0):
            return False
        return _triton_found(cuda=True)
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return device.type == "cpu" and interpreted and _triton_found(cuda=False)


@torch.library.custom_op(
    "supcon_ext::fused_statistics",
    mutates_args=(),
    schema="(Tensor z_AD, Tensor z_KD, Tensor?[] vectors, str form, str products, bool same_rows) "
    "-> (Tensor, Tensor, Tensor)",
)
def _statistics(
    z_AD: Tensor,
    z_KD: Tensor,
    vectors: list[Tensor | None],
    form: Literal["out", "in"],
    products: str,
    same_rows: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Denominator, positive part and sum of targets of each anchor."""
    from supcon_ext.losses import fused_kernels

    left, right = _operands(z_AD, z_KD, products)
    return fused_kernels.statistics(left, right, _vectors(vectors), form)


@_statistics.register_fake
def _(z_AD: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(z_AD.new_empty(z_AD.shape[:1]) for _ in range(3))  # type: ignore[return-value]


@torch.library.custom_op(
    "supcon_ext::fused_gradient",
    mutates_args=(),
    schema="(Tensor z_AD, Tensor z_KD, Tensor?[] vectors, Tensor denominator, Tensor scale, "
    "Tensor positive, str form, str products, str role) -> Tensor",
)
def _gradient(
    z_AD: Tensor,
    z_KD: Tensor,
    vectors: list[Tensor | None],
    denominator: Tensor,
    scale: Tensor,
    positive: Tensor,
    form: Literal["out", "in"],
    products: str,
    role: Literal["anchor", "contrast", "both"],
) -> Tensor:
    """Gradient by one side's embeddings."""
    from supcon_ext.losses import fused_kernels

    left, right = _operands(z_AD, z_KD, products)
    return fused_kernels.gradient(
        left, right, _vectors(vectors), denominator, scale, positive, form, role=role
    )


@_gradient.register_fake
def _(z_AD: Tensor, z_KD: Tensor, *rest: object) -> Tensor:
    return torch.empty_like(
        z_KD if rest[-1] == "contrast" else z_AD, memory_format=torch.contiguous_format
    )


def _vectors(parts: list[Tensor | None]) -> Vectors:
    from supcon_ext.losses.fused_kernels import Vectors

    return Vectors(*(None if p is None else p.contiguous() for p in parts))  # type: ignore[arg-type]


def _operands(z_AD: Tensor, z_KD: Tensor, products: str) -> tuple[Tensor, Tensor]:
    dtype = torch.bfloat16 if products == "half" else torch.float32
    left = z_AD.to(dtype).contiguous()
    return left, left if z_KD is z_AD else z_KD.to(dtype).contiguous()


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    z_AD, z_KD, vectors, ctx.form, ctx.products, ctx.same_rows = inputs
    given = [part for part in vectors if part is not None]
    ctx.present = [part is not None for part in vectors]
    ctx.save_for_backward(z_AD, z_KD, *output, *given)
    ctx.mark_non_differentiable(output[2])


def _backward(ctx: Any, by_denominator: Tensor, by_positive: Tensor, _: Any) -> tuple[Any, ...]:
    raise NotImplementedError


_statistics.register_autograd(_backward, setup_context=_setup_context)

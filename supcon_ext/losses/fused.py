"""The formula in fused kernels: on CUDA, for targets and weights that follow from vectors.

A tile's products, targets, weights and softmax stay on the chip; three numbers for each anchor are
stored. The kernels are Triton's (:mod:`supcon_ext.losses.fused_kernels`), loaded with the first
loss, and wrapped as operators of torch, which ``torch.compile`` takes into its graph as they are.

Shape letters: A anchors, K contrasts, D embedding size.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from supcon_ext.losses.factors import Factors

if TYPE_CHECKING:
    from supcon_ext.losses.fused_kernels import Vectors

logger = logging.getLogger(__name__)

Form = Literal["out", "in"]
Products = Literal["float32", "half"]
INVERSE_TAU = 4
"""Its place among the vectors, in the order of ``fused_kernels.Vectors``."""


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
    form: Form,
    products: Products,
    same_rows: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Denominator, positive part and sum of targets of each anchor."""
    from supcon_ext.losses import fused_kernels

    left, right = _operands(z_AD, z_KD, products)
    return fused_kernels.statistics(left, right, _vectors(vectors), form)


@_statistics.register_fake
def _(z_AD: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor]:
    return z_AD.new_empty(len(z_AD)), z_AD.new_empty(len(z_AD)), z_AD.new_empty(len(z_AD))


@torch.library.custom_op(
    "supcon_ext::fused_gradient",
    mutates_args=(),
    schema="(Tensor z_AD, Tensor z_KD, Tensor?[] vectors, Tensor denominator, Tensor push, "
    "Tensor positive, Tensor draw, str form, str products, str role) -> Tensor",
)
def _gradient(
    z_AD: Tensor,
    z_KD: Tensor,
    vectors: list[Tensor | None],
    denominator: Tensor,
    push: Tensor,
    positive: Tensor,
    draw: Tensor,
    form: Form,
    products: Products,
    role: Literal["anchor", "contrast", "both"],
) -> Tensor:
    """Gradient by one side's embeddings, or by both sides' where they are the same rows."""
    from supcon_ext.losses import fused_kernels

    left, right = _operands(z_AD, z_KD, products)
    return fused_kernels.gradient(
        left,
        right,
        _vectors(vectors),
        denominator.contiguous(),
        push.contiguous(),
        positive.contiguous(),
        draw.contiguous(),
        form,
        role=role,
    )


@_gradient.register_fake
def _(z_AD: Tensor, z_KD: Tensor, *rest: object) -> Tensor:
    return z_AD.new_empty((z_KD if rest[-1] == "contrast" else z_AD).shape)


def _operands(z_AD: Tensor, z_KD: Tensor, products: Products) -> tuple[Tensor, Tensor]:
    left = _operand(z_AD, products)
    return left, left if z_KD is z_AD else _operand(z_KD, products)


def _operand(z: Tensor, products: Products) -> Tensor:
    from supcon_ext.losses.fused_kernels import INTERPRETED

    if products == "half":
        z = z.to(torch.bfloat16)
    if INTERPRETED:  # its products know no bfloat16
        z = z.float()
    return z.contiguous()


def _vectors(parts: list[Tensor | None]) -> Vectors:
    from supcon_ext.losses.fused_kernels import Vectors

    return Vectors(*(None if p is None else p.contiguous() for p in parts))  # type: ignore[arg-type]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    z_AD, z_KD, vectors, ctx.form, ctx.products, ctx.same_rows = inputs
    ctx.given = [part is not None for part in vectors]
    denominator, positive, _ = output
    ctx.save_for_backward(
        z_AD,
        z_KD,
        denominator,
        positive,
        vectors[INVERSE_TAU],
        *(part for part in vectors if part is not None),
    )


def _statistics_backward(
    ctx: Any, by_denominator: Tensor, by_positive: Tensor, _: Tensor
) -> tuple[Any, ...]:
    z_AD, z_KD, denominator, positive, inverse_tau, *given = ctx.saved_tensors
    present = iter(given)
    vectors = [next(present) if there else None for there in ctx.given]
    sums = (
        denominator.masked_fill(denominator == -torch.inf, torch.inf).detach(),
        by_denominator * inverse_tau,
        positive.detach(),
        by_positive * inverse_tau,
    )

    def by(role: Literal["anchor", "contrast", "both"]) -> Tensor:
        grad: Tensor = _gradient(z_AD, z_KD, vectors, *sums, ctx.form, ctx.products, role)
        return grad

    # torch counts a list as one argument where a part is None, and as its parts where none is
    none = [None] * len(vectors) if all(ctx.given) else None
    if ctx.same_rows:
        return by("both"), None, none, None, None, None
    by_anchor = by("anchor") if ctx.needs_input_grad[0] else None
    by_contrast = by("contrast") if ctx.needs_input_grad[1] else None
    return by_anchor, by_contrast, none, None, None, None


def _gradient_backward(ctx: Any, _: Tensor) -> None:
    raise RuntimeError(
        "Expected first derivatives of the supervised contrastive loss only, but got a request for "
        "second ones. Try: supcon_ext.losses.reference, which is plain autograd"
    )


_statistics.register_autograd(_statistics_backward, setup_context=_keep)
_gradient.register_autograd(_gradient_backward)


def fused_anchor_losses(
    z_AD: Tensor,
    z_KD: Tensor,
    anchors: Factors,
    contrasts: Factors,
    uid_A: Tensor,
    uid_K: Tensor,
    *,
    label_A: Tensor,
    label_K: Tensor,
    log_column: Tensor | None,
    log_same: Tensor | None,
    temperature: float | Tensor,
    form: Form,
    products: Products = "float32",
) -> tuple[Tensor, Tensor]:
    """The loss of each anchor from fused kernels; gradients flow to both ends' embeddings.

    Equal to :func:`~supcon_ext.losses.tiled.tiled_anchor_losses` within float32 rounding, for
    targets that follow from vectors. Only first derivatives; nothing but the embeddings gets a
    gradient. Where a pair's similarity equals the anchor's threshold within rounding, it may fall
    on either side.

    Args:
        z_AD: ``(A, D)`` anchors of unit norm; float32, or half types (computed in float32).
        z_KD: ``(K, D)`` contrasts of unit norm. Give the very same tensor twice where anchors and
            contrasts are the same rows: backward then makes each product once.
        anchors: Factors of the anchors.
        contrasts: Factors of the contrasts.
        uid_A: ``(A,)`` int64; a pair of equal uid is left out.
        uid_K: ``(K,)`` int64.
        label_A: ``(A,)`` int64, where ``log_same`` counts; -1 is unknown and equals nothing.
        label_K: ``(K,)`` int64.
        log_column: ``(K,)`` log weight of a contrast; -inf leaves it out of every denominator.
        log_same: ``(A,)`` added to the log weight where both have the same label.
        temperature: tau > 0, one or ``(A,)``.
        form: ``out`` (Khosla et al. 2020, eq. 2) or ``in`` (eq. 3).
        products: ``float32`` (on a GPU three TF32 products, which lose nothing that matters) or
            ``half``: embeddings and the tile of backward are rounded to bfloat16 before the
            products, whose sums stay float32. A similarity is then off by up to 2^-8 in the worst
            case (rounding errors of 128 dimensions mostly cancel: about 3e-4), a logit by that
            divided by tau.

    Returns:
        ``(A,)`` float32 losses, 0 where an anchor has no positive or no contrast, and ``(A,)`` sums
        of its targets, without gradient.

    Raises:
        ValueError: Shapes, types, devices or settings do not fit.
    """
    _check(z_AD, z_KD, form, products)
    count, others = len(z_AD), len(z_KD)
    inverse_tau = _inverse(temperature, z_AD)
    trusts = anchors.trusted is not None and contrasts.trusted is not None
    vectors = [
        _vector("uid_A", uid_A, count, torch.int64, z_AD),
        _vector("anchors.code", anchors.code, count, torch.int64, z_AD),
        _vector("label_A", None if log_same is None else label_A, count, torch.int64, z_AD),
        _vector("log_same", log_same, count, torch.float32, z_AD),
        inverse_tau,
        _vector("anchors.trusted", anchors.trusted if trusts else None, count, torch.int8, z_AD),
        _vector(
            "anchors.threshold", anchors.threshold if trusts else None, count, torch.float32, z_AD
        ),
        _vector("uid_K", uid_K, others, torch.int64, z_AD),
        _vector("contrasts.code", contrasts.code, others, torch.int64, z_AD),
        _vector("label_K", None if log_same is None else label_K, others, torch.int64, z_AD),
        _vector("contrasts.weight", contrasts.weight, others, torch.float32, z_AD),
        _vector(
            "contrasts.trusted", contrasts.trusted if trusts else None, others, torch.int8, z_AD
        ),
        _vector("log_column", log_column, others, torch.float32, z_AD),
    ]
    same_rows = z_AD is z_KD
    z_AD = z_AD.float()
    z_KD = z_AD if same_rows else z_KD.float()
    denominator, positive, total = _statistics(z_AD, z_KD, vectors, form, products, same_rows)
    total = total.detach()
    total = torch.where(denominator > -torch.inf, total, torch.zeros_like(total))
    some = total > 0
    safe = torch.where(some, total, torch.ones_like(total))
    mean = positive / safe if form == "out" else positive - safe.log()
    return torch.where(some, denominator - mean, torch.zeros_like(total)), total


def _check(z_AD: Tensor, z_KD: Tensor, form: str, products: str) -> None:
    if z_AD.ndim != 2 or z_KD.ndim != 2 or z_AD.shape[1] != z_KD.shape[1] or not z_AD.shape[1]:
        raise ValueError(
            "Expected `z_AD` and `z_KD` of shapes (A, D) and (K, D), "
            f"but got {tuple(z_AD.shape)} and {tuple(z_KD.shape)}"
        )
    for name, z in (("z_AD", z_AD), ("z_KD", z_KD)):
        if z.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise ValueError(
                f"Expected `{name}` of float32 or a half type, but got {z.dtype}. "
                "Try: tiled_anchor_losses, which computes in float64 too"
            )
    runs = torch.compiler.is_compiling() or fused_available(z_AD.device)
    if z_KD.device != z_AD.device or not runs:
        raise ValueError(
            "Expected `z_AD` and `z_KD` on one device that fused_available accepts, "
            f"but got {z_AD.device} and {z_KD.device}. Try: tiled_anchor_losses"
        )
    if form not in ("out", "in"):
        raise ValueError(f"Expected `form` to be 'out' or 'in', but got {form!r}")
    if products not in ("float32", "half"):
        raise ValueError(f"Expected `products` to be 'float32' or 'half', but got {products!r}")


def _inverse(temperature: float | Tensor, z_AD: Tensor) -> Tensor:
    """``(A,)`` 1 / tau."""
    if isinstance(temperature, Tensor) and temperature.ndim:
        tau = _vector("temperature", temperature, len(z_AD), torch.float32, z_AD)
        return torch.as_tensor(tau).reciprocal()
    if not temperature > 0:
        raise ValueError(f"Expected `temperature` above 0, but got {float(temperature)}")
    return torch.full((len(z_AD),), 1 / float(temperature), device=z_AD.device)


def _vector(
    name: str, values: Tensor | None, count: int, dtype: torch.dtype, like: Tensor
) -> Tensor | None:
    """The vector in the kernels' type, without gradient."""
    if values is None:
        return None
    if values.shape != (count,) or values.device != like.device:
        raise ValueError(
            f"Expected `{name}` of shape ({count},) on {like.device}, "
            f"but got {tuple(values.shape)} on {values.device}"
        )
    return values.detach().to(dtype)

# mypy: disallow-untyped-defs=False, disallow-untyped-decorators=False
# mypy: disallow-untyped-calls=False, disallow-incomplete-defs=False, warn-unreachable=False
"""Triton kernels of the fused loss: products, targets, weights and softmax of a tile in one pass.

Importing this file needs Triton; :mod:`supcon_ext.losses.fused` imports it when a loss is computed.

Forward: a program holds a block of anchors and walks over contrasts, with a running log-sum-exp.
Backward: a program holds a block of rows, walks over the other side, computes each tile again and
sums its rows' gradient. As anchors, as contrasts, or, where both sides are the same rows, as both
at once, which does each product once. No atomics, so results repeat bit for bit on one device.
With few rows the walk is cut into segments, so that every multiprocessor has work; their parts are
joined afterwards in a fixed order.

One file, long as it is: both kernels are inlined from the same tile functions, and their block
sizes and launches hold for them alone.

Block sizes are fixed by embedding size and type; nothing is tuned at run time. They were chosen
from the compiler's report for compute capability 8.0, 8.6 and 9.0, so that a block fits in shared
memory (99 KB on 8.6) and few registers spill; their speed has not been measured.

Shape letters: A anchors, K contrasts, D embedding size, M rows a program holds, N rows it meets.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS = 256
"""Fewer blocks of rows than this, and the walk over the other side is cut into segments."""
WHOLE_DIM = {torch.float32: 128, torch.bfloat16: 256}
"""Embeddings up to this size are held whole, padded to a power of two."""
CHUNK_DIM = {torch.float32: 64, torch.bfloat16: 128}
"""Longer ones pass in chunks; backward then makes a tile's products once for each chunk."""
INTERPRETED = bool(triton.knobs.runtime.interpret)
"""Whether the kernels below run in Triton's interpreter (``TRITON_INTERPRET=1``)."""


class Launch(NamedTuple):
    """Block sizes of a kernel: rows held, rows met at once, and how it is compiled."""

    own: int
    other: int
    num_warps: int
    num_stages: int


HALF = Launch(own=64, other=64, num_warps=8, num_stages=2)
SMALL = Launch(own=32, other=32, num_warps=8, num_stages=2)
WIDE = Launch(own=64, other=32, num_warps=8, num_stages=2)


class Vectors(NamedTuple):
    """Everything but the embeddings; float32, int64 or int8, contiguous, None where not given."""

    uid_A: Tensor
    code_A: Tensor
    label_A: Tensor | None
    log_same: Tensor | None
    inverse_tau: Tensor
    trusted_A: Tensor | None
    threshold: Tensor | None
    uid_K: Tensor
    code_K: Tensor
    label_K: Tensor | None
    weight: Tensor | None
    trusted_K: Tensor | None
    log_column: Tensor | None


@triton.jit
def _rows(z_ptr, rows, count, D, chunk, BLOCK_D: tl.constexpr):
    dims = chunk * BLOCK_D + tl.arange(0, BLOCK_D)
    pointers = z_ptr + rows.to(tl.int64)[:, None] * D + dims[None, :]
    return tl.load(pointers, mask=(rows < count)[:, None] & (dims < D)[None, :], other=0.0)


@triton.jit
def _similarity(
    own_MD,
    other_ND,
    own_ptr,
    other_ptr,
    own,
    other,
    own_count,
    other_count,
    D,
    BLOCK_D: tl.constexpr,
    CHUNKS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The (M, N) products; the first chunk of both sides is loaded already."""
    s_MN = tl.dot(own_MD, tl.trans(other_ND), input_precision=PRECISION)
    if CHUNKS > 1:
        for chunk in range(1, CHUNKS):
            more_MD = _rows(own_ptr, own, own_count, D, chunk, BLOCK_D)
            more_ND = _rows(other_ptr, other, other_count, D, chunk, BLOCK_D)
            s_MN = tl.dot(more_MD, tl.trans(more_ND), s_MN, input_precision=PRECISION)
    return s_MN


@triton.jit
def _numbers(ptr, rows, inside, MISSING: tl.constexpr, AXIS: tl.constexpr):
    """A float32 vector along an axis of the tile; a constant where there is none."""
    if ptr is None:
        values = tl.full(rows.shape, MISSING, tl.float32)
    else:
        values = tl.load(ptr + rows, mask=inside, other=0).to(tl.float32)
    return tl.expand_dims(values, 1 - AXIS)


@triton.jit
def _codes(ptr, rows, inside, AXIS: tl.constexpr):
    """An int64 vector along an axis of the tile; -1 where there is none."""
    if ptr is None:
        values = tl.full(rows.shape, -1, tl.int64)
    else:
        values = tl.load(ptr + rows, mask=inside, other=-1)
    return tl.expand_dims(values, 1 - AXIS)


@triton.jit
def _anchor(
    uid_ptr, code_ptr, label_ptr, same_ptr, tau_ptr, trusted_ptr, threshold_ptr, rows, count,
    AXIS: tl.constexpr,
):  # fmt: skip
    inside = rows < count
    return (
        _codes(uid_ptr, rows, inside, AXIS),
        _codes(code_ptr, rows, inside, AXIS),
        _codes(label_ptr, rows, inside, AXIS),
        _numbers(same_ptr, rows, inside, 0.0, AXIS),
        _numbers(tau_ptr, rows, inside, 1.0, AXIS),
        _numbers(trusted_ptr, rows, inside, 1.0, AXIS),
        _numbers(threshold_ptr, rows, inside, float("inf"), AXIS),
        tl.expand_dims(inside, 1 - AXIS),
    )


@triton.jit
def _contrast(
    uid_ptr, code_ptr, label_ptr, weight_ptr, trusted_ptr, log_ptr, rows, count,
    AXIS: tl.constexpr,
):  # fmt: skip
    inside = rows < count
    return (
        _codes(uid_ptr, rows, inside, AXIS),
        _codes(code_ptr, rows, inside, AXIS),
        _codes(label_ptr, rows, inside, AXIS),
        _numbers(weight_ptr, rows, inside, 1.0, AXIS),
        _numbers(trusted_ptr, rows, inside, 1.0, AXIS),
        _numbers(log_ptr, rows, inside, 0.0, AXIS),
        tl.expand_dims(inside, 1 - AXIS),
    )


@triton.jit
def _tile(s_MN, anchor, contrast):
    """Targets, logits and log weights (-inf: left out) of a tile."""
    uid_i, code_i, label_i, log_same, inverse_tau, trusted_i, threshold, inside_i = anchor
    uid_a, code_a, label_a, weight, trusted_a, log_column, inside_a = contrast
    pair = inside_i & inside_a & (uid_i != uid_a)
    agreed = ((trusted_i != 0.0) & (trusted_a != 0.0)) | (s_MN >= threshold)
    targets = tl.where(pair & (code_i == code_a) & agreed, weight, 0.0)
    same = (label_i == label_a) & (label_i != -1)
    log_weight = tl.where(pair, log_column + tl.where(same, log_same, 0.0), float("-inf"))
    return targets, s_MN * inverse_tau, log_weight


@triton.jit
def _join(top, mass, x_MN, weight_MN):
    """One step of a running sum of ``weight exp(x)``, kept as ``mass exp(top)``."""
    higher = tl.maximum(top, tl.max(x_MN, 1))
    shift = tl.where(higher == float("-inf"), 0.0, higher)
    mass = mass * tl.exp(top - shift) + tl.sum(weight_MN * tl.exp(x_MN - shift[:, None]), 1)
    return higher, mass


@triton.jit(do_not_specialize=["A", "K", "segment"])
def _forward(
    z_A, z_K, denominator_ptr, positive_ptr, total_ptr,
    uid_A, code_A, label_A, log_same, inverse_tau, trusted_A, threshold,
    uid_K, code_K, label_K, weight, trusted_K, log_column,
    A, K, D, segment,
    OUT: tl.constexpr, BLOCK_A: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr,
    CHUNKS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BLOCK_A + tl.arange(0, BLOCK_A)
    part = tl.program_id(1)
    z_MD = _rows(z_A, rows, A, D, 0, BLOCK_D)
    anchor = _anchor(
        uid_A, code_A, label_A, log_same, inverse_tau, trusted_A, threshold, rows, A, 0
    )
    top = tl.full([BLOCK_A], float("-inf"), tl.float32)
    positive_top = tl.full([BLOCK_A], float("-inf"), tl.float32)
    mass = tl.zeros([BLOCK_A], tl.float32)
    positive = tl.zeros([BLOCK_A], tl.float32)
    total = tl.zeros([BLOCK_A], tl.float32)
    for start in range(part * segment, tl.minimum(part * segment + segment, K), BLOCK_K):
        columns = start + tl.arange(0, BLOCK_K)
        z_ND = _rows(z_K, columns, K, D, 0, BLOCK_D)
        s_MN = _similarity(z_MD, z_ND, z_A, z_K, rows, columns, A, K, D, BLOCK_D, CHUNKS, PRECISION)
        contrast = _contrast(uid_K, code_K, label_K, weight, trusted_K, log_column, columns, K, 1)
        targets, logits, log_weight = _tile(s_MN, anchor, contrast)
        top, mass = _join(top, mass, logits + log_weight, 1.0)
        total += tl.sum(targets, 1)
        if OUT:
            positive += tl.sum(targets * logits, 1)
        else:
            held = tl.where(targets > 0.0, logits, float("-inf"))
            positive_top, positive = _join(positive_top, positive, held, targets)
    at = part.to(tl.int64) * A + rows
    tl.store(denominator_ptr + at, top + tl.log(mass), mask=rows < A)
    if not OUT:
        positive = positive_top + tl.log(positive)
    tl.store(positive_ptr + at, positive, mask=rows < A)
    tl.store(total_ptr + at, total, mask=rows < A)


@triton.jit
def _pull(s_MN, anchor, contrast, sums, OUT: tl.constexpr):
    """Derivative by the tile's similarities."""
    denominator, push, positive, draw = sums
    targets, logits, log_weight = _tile(s_MN, anchor, contrast)
    pushed = push * tl.exp(logits + log_weight - denominator)
    if not OUT:
        held = tl.where(targets > 0.0, logits - positive, float("-inf"))
        targets = targets * tl.exp(held)
    return pushed + draw * targets


@triton.jit
def _sums(denominator, push, positive, draw, rows, count, AXIS: tl.constexpr):
    inside = rows < count
    return (
        _numbers(denominator, rows, inside, 0.0, AXIS),
        _numbers(push, rows, inside, 0.0, AXIS),
        _numbers(positive, rows, inside, 0.0, AXIS),
        _numbers(draw, rows, inside, 0.0, AXIS),
    )


@triton.jit(do_not_specialize=["own_count", "other_count", "segment"])
def _backward(
    z_own, z_other, grad_ptr, denominator, push, positive, draw,
    uid_A, code_A, label_A, log_same, inverse_tau, trusted_A, threshold,
    uid_K, code_K, label_K, weight, trusted_K, log_column,
    own_count, other_count, D, segment,
    AS_ANCHOR: tl.constexpr, AS_CONTRAST: tl.constexpr, OUT: tl.constexpr,
    BLOCK_OWN: tl.constexpr, BLOCK_OTHER: tl.constexpr, BLOCK_D: tl.constexpr,
    CHUNKS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * BLOCK_OWN + tl.arange(0, BLOCK_OWN)
    chunk = tl.program_id(1)
    part = tl.program_id(2)
    own_MD = _rows(z_own, own, own_count, D, 0, BLOCK_D)
    if AS_ANCHOR:
        own_anchor = _anchor(
            uid_A, code_A, label_A, log_same, inverse_tau, trusted_A, threshold,
            own, own_count, 0,
        )  # fmt: skip
        own_sums = _sums(denominator, push, positive, draw, own, own_count, 0)
    if AS_CONTRAST:
        own_contrast = _contrast(
            uid_K, code_K, label_K, weight, trusted_K, log_column, own, own_count, 0
        )
    grad_MD = tl.zeros([BLOCK_OWN, BLOCK_D], tl.float32)
    end = tl.minimum(part * segment + segment, other_count)
    for start in range(part * segment, end, BLOCK_OTHER):
        other = start + tl.arange(0, BLOCK_OTHER)
        other_ND = _rows(z_other, other, other_count, D, 0, BLOCK_D)
        s_MN = _similarity(
            own_MD, other_ND, z_own, z_other, own, other, own_count, other_count, D,
            BLOCK_D, CHUNKS, PRECISION,
        )  # fmt: skip
        pull_MN = tl.zeros([BLOCK_OWN, BLOCK_OTHER], tl.float32)
        if AS_ANCHOR:
            contrast = _contrast(
                uid_K, code_K, label_K, weight, trusted_K, log_column, other, other_count, 1
            )
            pull_MN += _pull(s_MN, own_anchor, contrast, own_sums, OUT)
        if AS_CONTRAST:
            anchor = _anchor(
                uid_A, code_A, label_A, log_same, inverse_tau, trusted_A, threshold,
                other, other_count, 1,
            )  # fmt: skip
            sums = _sums(denominator, push, positive, draw, other, other_count, 1)
            pull_MN += _pull(s_MN, anchor, own_contrast, sums, OUT)
        if CHUNKS > 1:
            other_ND = _rows(z_other, other, other_count, D, chunk, BLOCK_D)
        grad_MD = tl.dot(pull_MN.to(other_ND.dtype), other_ND, grad_MD, input_precision=PRECISION)
    dims = chunk * BLOCK_D + tl.arange(0, BLOCK_D)
    at = (part.to(tl.int64) * own_count + own)[:, None] * D + dims[None, :]
    tl.store(grad_ptr + at, grad_MD, mask=(own < own_count)[:, None] & (dims < D)[None, :])


def dims_of(dim: int, dtype: torch.dtype) -> tuple[int, int]:
    """Size and number of the chunks in which embeddings of this size pass."""
    if dim <= WHOLE_DIM[dtype]:
        return max(16, triton.next_power_of_2(dim)), 1
    return CHUNK_DIM[dtype], triton.cdiv(dim, CHUNK_DIM[dtype])


def launch_of(kernel: Literal["forward", "backward"], dim: int, dtype: torch.dtype) -> Launch:
    """Block sizes of a kernel for embeddings of this size and type."""
    if dtype == torch.bfloat16:
        return HALF if dims_of(dim, dtype)[0] <= 128 else WIDE
    return WIDE if kernel == "forward" and dim <= WHOLE_DIM[dtype] else SMALL


def _segments(own: int, other: int, launch: Launch) -> tuple[int, int]:
    """Number of segments of the walk over the other side, and rows in each."""
    blocks = triton.cdiv(other, launch.other)
    wanted = max(1, min(PROGRAMS // triton.cdiv(own, launch.own), blocks))
    rows = triton.cdiv(blocks, wanted) * launch.other
    return triton.cdiv(other, rows), rows


def _precision() -> str:
    return "ieee" if INTERPRETED else "tf32x3"


def statistics(
    z_AD: Tensor, z_KD: Tensor, vectors: Vectors, form: Literal["out", "in"]
) -> tuple[Tensor, Tensor, Tensor]:
    """What the loss of each anchor is made of.

    Args:
        z_AD: ``(A, D)`` anchors, contiguous, float32 or bfloat16; products are of that type.
        z_KD: ``(K, D)`` contrasts, alike.
        vectors: The rest.
        form: ``out`` or ``in``.

    Returns:
        ``(A,)`` float32 each: the denominator's log-sum-exp (-inf: no contrast), the sum of targets
        times logits (``out``) or their log-sum-exp (``in``), and the sum of targets.
    """
    (count, dim), contrasts = z_AD.shape, len(z_KD)
    launch = launch_of("forward", dim, z_AD.dtype)
    block, chunks = dims_of(dim, z_AD.dtype)
    if count == 0 or contrasts == 0:
        empty = z_AD.new_zeros(count, dtype=torch.float32)
        return torch.full_like(empty, -torch.inf), empty, empty.clone()
    parts, segment = _segments(count, contrasts, launch)
    denominator, positive, total = (
        z_AD.new_empty((parts, count), dtype=torch.float32) for _ in range(3)
    )
    with torch.cuda.device_of(z_AD):
        _forward[(triton.cdiv(count, launch.own), parts)](
            z_AD, z_KD, denominator, positive, total, *vectors,
            count, contrasts, dim, segment,
            OUT=form == "out", BLOCK_A=launch.own, BLOCK_K=launch.other, BLOCK_D=block,
            CHUNKS=chunks, PRECISION=_precision(),
            num_warps=launch.num_warps, num_stages=launch.num_stages,
        )  # fmt: skip
    joined = positive.sum(0) if form == "out" else positive.logsumexp(0)
    return denominator.logsumexp(0), joined, total.sum(0)


def gradient(
    z_AD: Tensor,
    z_KD: Tensor,
    vectors: Vectors,
    denominator: Tensor,
    push: Tensor,
    positive: Tensor,
    draw: Tensor,
    form: Literal["out", "in"],
    *,
    role: Literal["anchor", "contrast", "both"],
) -> Tensor:
    """Gradient by the embeddings of one side.

    Args:
        z_AD: Anchors, as in :func:`statistics`.
        z_KD: Contrasts.
        vectors: The rest.
        denominator: ``(A,)`` log-sum-exp; +inf for anchors without a contrast.
        push: ``(A,)`` incoming gradient by it, divided by tau.
        positive: ``(A,)`` the positives' part, as :func:`statistics` gives it.
        draw: ``(A,)`` incoming gradient by it, divided by tau.
        form: ``out`` or ``in``.
        role: Whose gradient: the anchors', the contrasts', or, where both are the same rows, the
            sum of the two.

    Returns:
        ``(A, D)`` or ``(K, D)`` float32.
    """
    own, other = (z_KD, z_AD) if role == "contrast" else (z_AD, z_KD)
    count, dim = own.shape
    launch = launch_of("backward", dim, own.dtype)
    block, chunks = dims_of(dim, own.dtype)
    if count == 0 or len(other) == 0:
        return own.new_zeros(own.shape, dtype=torch.float32)
    parts, segment = _segments(count, len(other), launch)
    grad = own.new_empty((parts, count, dim), dtype=torch.float32)
    with torch.cuda.device_of(own):
        _backward[(triton.cdiv(count, launch.own), chunks, parts)](
            own, other, grad, denominator, push, positive, draw, *vectors,
            count, len(other), dim, segment,
            AS_ANCHOR=role != "contrast", AS_CONTRAST=role != "anchor", OUT=form == "out",
            BLOCK_OWN=launch.own, BLOCK_OTHER=launch.other, BLOCK_D=block, CHUNKS=chunks,
            PRECISION=_precision(),
            num_warps=launch.num_warps, num_stages=launch.num_stages,
        )  # fmt: skip
    return grad[0] if parts == 1 else grad.sum(0)

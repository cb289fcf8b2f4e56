"""The fast path of the tiles: anchors that are contrasts too, each product made once.

For unit vectors and a temperature of 0.014 or more, ``exp(s / tau)`` (less a constant where 1 / tau
is above 60) neither overflows nor underflows in float32, so no running maximum is needed: one
exponential serves both the row of a pair and its column. Where the rule gives factors, positives
come from sums over codes in O(N D); only the parts that need "same code" inside the exponential
look at pairs, and with rows sorted by code these lie in few tiles.

One file, long as it is: the two walks over tiles, forward and back, must take the same tiles in the
same order and share their scratch memory, and are read side by side.

Letters: A anchors, E further contrasts, K = A + E contrasts (anchors first), D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from supcon_ext.losses.asking import asked_targets
from supcon_ext.losses.factors import Factors
from supcon_ext.losses.first_derivative import first_derivative_only
from supcon_ext.losses.rows import PairRule, PairTile, Rows

LARGEST_EXPONENT = 60.0
RANGE = 145.0  # from exp(60) down to the smallest normal float32, in logarithms
TILE = 512
KEPT_ELEMENTS = 40_000_000  # 160 MB of float32


def fits(bound: float, temperature: float) -> bool:
    """Whether logits of ``+-bound / temperature`` fit into float32 without a running maximum."""
    return 2 * bound / temperature <= RANGE


@dataclass(frozen=True, slots=True)
class SymmetricProblem:
    """All of the formula but the embeddings, for contrasts of which the first A are the anchors.

    Attributes:
        factors: Of the K contrasts; separable (no threshold). None: ``rule`` is asked tile by tile.
        rule: Asked where there are no factors.
        anchors: The A rows, with the columns that further contrasts lack (Mixup's); for ``rule``.
        contrasts: The K rows, detached; needed by ``rule``.
        label: ``(K,)`` int64 labels; needed where ``same`` is given.
        column: ``(K,)`` contrast weights w, or None for 1.
        same: ``(A,)`` factor less one on w where anchor and contrast share the label, or None.
        temperature: tau.
        form: ``out`` or ``in``.
        bound: Largest product of two norms.
        tile: Rows and columns of a tile.
    """

    factors: Factors | None
    rule: PairRule
    anchors: Rows
    contrasts: Rows
    label: Tensor
    column: Tensor | None
    same: Tensor | None
    temperature: float
    form: Literal["out", "in"]
    bound: float
    tile: int

    @property
    def shift(self) -> float:
        """What is taken off the logits before the exponential."""
        return max(0.0, self.bound / self.temperature - LARGEST_EXPONENT)


class _Codes:
    """Sums over the contrasts of each code, and what they say of positives.

    Weights and gates are None where all are 1.
    """

    def __init__(self, factors: Factors, anchors: int, like: Tensor) -> None:
        _, self.code_K, count = torch.unique(factors.code, return_inverse=True, return_counts=True)
        self.size = len(count)
        self.code_A = self.code_K[:anchors]
        self.weight_K = None if factors.weight is None else factors.weight.to(like.dtype)
        self.gate_A: Tensor | None = None
        if factors.trusted is not None:
            trusted = factors.trusted.to(like.dtype)
            self.weight_K = trusted if self.weight_K is None else self.weight_K * trusted
            self.gate_A = trusted[:anchors]
        if self.weight_K is None:
            self.own_A: Tensor | None = None
            self.total_A = (count[self.code_A] - 1).to(like.dtype)
        else:
            weight = self.weight_K
            self.own_A = weight[:anchors]
            some = torch.bincount(self.code_K[weight > 0], minlength=self.size)
            others = some[self.code_A] - (self.own_A > 0).to(some.dtype)
            total = like.new_zeros(self.size).index_add_(0, self.code_K, weight)
            alone = others == 0 if self.gate_A is None else (others == 0) | (self.gate_A == 0)
            self.total_A = (total[self.code_A] - self.own_A).masked_fill(alone, 0.0)

    def sums(self, z_AD: Tensor, z_ED: Tensor) -> Tensor:
        """``(codes, D)`` weighted sums of the contrasts of each code."""
        anchors, weight = len(z_AD), self.weight_K
        summed = z_AD.new_zeros(self.size, z_AD.shape[1])
        for rows, part in ((slice(anchors), z_AD), (slice(anchors, None), z_ED)):
            if len(part):
                weighed = part if weight is None else weight[rows, None] * part
                summed.index_add_(0, self.code_K[rows], weighed)
        return summed

    def weights(self, rows: slice, like: Tensor) -> Tensor:
        """Weights of some contrasts as positives."""
        if self.weight_K is None:
            return like.new_ones(rows.stop - rows.start)
        return self.weight_K[rows]

    def gated(self, values_A: Tensor) -> Tensor:
        """Values of anchors, 0 of those that have no positives by themselves."""
        return values_A if self.gate_A is None else values_A * self.gate_A


class _SymmetricLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, z_AD: Tensor, z_ED: Tensor, problem: SymmetricProblem
    ) -> tuple[Tensor, Tensor]:
        anchors = len(z_AD)
        kept = _room(z_AD, z_ED, problem) if any(ctx.needs_input_grad) else None
        work = _Work(z_AD, z_ED, problem, kept)
        denominator = z_AD.new_zeros(anchors)
        total, positive = z_AD.new_zeros(anchors), z_AD.new_zeros(anchors)
        for tile in work.tiles():
            _add_rows(denominator, tile.rows, tile.exponential, work.column(tile.columns))
            if tile.mirrored:
                _add_rows(denominator, tile.columns, tile.exponential.T, work.column(tile.rows))
            work.add_masked(tile, denominator, positive)
            work.add_ruled(tile, total, positive)
        summed = None
        if work.codes is not None:
            total = work.codes.total_A
            if problem.form == "out":
                summed = work.codes.sums(z_AD, z_ED)
                positive = torch.linalg.vecdot(z_AD, summed[work.codes.code_A])
                own = torch.linalg.vecdot(z_AD, z_AD)
                positive -= own if work.codes.own_A is None else work.codes.own_A * own
                positive /= problem.temperature
        total = torch.where(denominator > 0, total, torch.zeros_like(total))
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        mean = positive / safe
        if problem.form == "in":
            mean = torch.where(some, mean, torch.ones_like(mean)).log() + problem.shift
        log_denominator = torch.where(some, denominator, torch.ones_like(denominator)).log()
        losses = torch.where(some, log_denominator + problem.shift - mean, torch.zeros_like(mean))
        ctx.save_for_backward(z_AD, z_ED, denominator, positive, total, kept, summed)
        ctx.problem, ctx.codes = problem, work.codes
        ctx.mark_non_differentiable(total)
        return losses, total

    @staticmethod
    @first_derivative_only
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor | None, None]:
        z_AD, z_ED, denominator, positive, total, kept, summed = ctx.saved_tensors
        problem: SymmetricProblem = ctx.problem
        anchors = len(z_AD)
        some = total > 0
        zero = z_AD.new_zeros(())
        scale = torch.where(some, grad / problem.temperature, zero)
        safe_total = torch.where(some, total, torch.ones_like(total))
        pull = torch.where(some, scale / denominator, zero)
        work = _Work(z_AD, z_ED, problem, kept, ctx.codes)
        grad_AD, grad_ED = torch.zeros_like(z_AD), torch.zeros_like(z_ED)
        if problem.form == "out":
            push = scale / safe_total
        else:
            push = torch.where(some, scale / positive, zero)
        if work.codes is not None and summed is not None:
            _positives_by_code(work.codes, summed, z_AD, push, grad_AD, grad_ED)
        for tile in work.tiles():
            force = work.force(tile, pull, push)
            if tile.mirrored or tile.diagonal:
                grad_AD[tile.rows].addmm_(force, z_AD[tile.columns])
                if tile.mirrored:
                    grad_AD[tile.columns].addmm_(force.T, z_AD[tile.rows])
            else:
                further = slice(tile.columns.start - anchors, tile.columns.stop - anchors)
                grad_AD[tile.rows].addmm_(force, z_ED[further])
                if ctx.needs_input_grad[1]:
                    grad_ED[further].addmm_(force.T, z_AD[tile.rows])
        return grad_AD, grad_ED if ctx.needs_input_grad[1] else None, None


def _room(z_AD: Tensor, z_ED: Tensor, problem: SymmetricProblem) -> Tensor | None:
    """Room for the exponentials of the first tiles, which backward need not compute again.

    A constant at most, less what batches with many rows need themselves.
    """
    if problem.factors is None:
        return None
    anchors, rows = len(z_AD), len(z_AD) + len(z_ED)
    pairs = anchors * (anchors + min(anchors, problem.tile)) // 2 + anchors * len(z_ED)
    elements = min(pairs, KEPT_ELEMENTS - 5 * rows * z_AD.shape[1])
    return z_AD.new_empty(elements) if elements > 0 else None


def _add_rows(sums: Tensor, rows: slice, tile: Tensor, weight: Tensor | None) -> None:
    if weight is None:
        sums[rows] += tile.sum(1)
    else:
        sums[rows].addmv_(tile, weight)


def _positives_by_code(
    codes: _Codes, summed: Tensor, z_AD: Tensor, push: Tensor, grad_AD: Tensor, grad_ED: Tensor
) -> None:
    """What the positives of the out form add to the gradient, in O(N D)."""
    anchors = len(z_AD)
    push = codes.gated(push)
    pulled = torch.zeros_like(summed).index_add_(0, codes.code_A, push[:, None] * z_AD)
    grad_AD.addcmul_(push[:, None], summed[codes.code_A], value=-1)
    own = push if codes.own_A is None else push * codes.own_A
    grad_AD.addcmul_(own[:, None], z_AD, value=2)
    if codes.own_A is None:
        grad_AD -= pulled[codes.code_A]
    else:
        grad_AD.addcmul_(codes.own_A[:, None], pulled[codes.code_A], value=-1)
    if len(grad_ED):
        code_E = codes.code_K[anchors:]
        if codes.weight_K is None:
            grad_ED -= pulled[code_E]
        else:
            grad_ED.addcmul_(codes.weight_K[anchors:, None], pulled[code_E], value=-1)


@dataclass(slots=True)
class _Tile:
    """A tile: its rows among the anchors, its columns among the contrasts."""

    rows: slice
    columns: slice
    diagonal: bool
    mirrored: bool
    similarity: Tensor | None
    exponential: Tensor


class _Work:
    """Tiles of one pass, in buffers that are used again and stay in cache."""

    def __init__(
        self,
        z_AD: Tensor,
        z_ED: Tensor,
        problem: SymmetricProblem,
        kept: Tensor | None,
        codes: _Codes | None = None,
    ) -> None:
        self.z_AD, self.z_ED, self.problem = z_AD, z_ED, problem
        self.anchors = len(z_AD)
        self.kept = kept
        self.used = 0
        self.filled = codes is not None
        factors = problem.factors
        if factors is not None and codes is None:
            codes = _Codes(factors, self.anchors, z_AD)
        self.codes = codes
        side = min(problem.tile, max(self.anchors, len(z_ED), 1))
        self.buffers = [z_AD.new_empty(side, side) for _ in range(3)]

    def column(self, rows: slice) -> Tensor | None:
        """Contrast weights of some contrasts."""
        column = self.problem.column
        return None if column is None else column[rows]

    def _spans(self, start: int, stop: int) -> list[slice]:
        size = self.problem.tile
        return [slice(at, min(at + size, stop)) for at in range(start, stop, size)]

    def _buffer(self, number: int, rows: slice, columns: slice) -> Tensor:
        buffer = self.buffers[number].view(-1)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return buffer[: height * width].view(height, width)

    def tiles(self) -> Iterator[_Tile]:
        """Each pair of anchors once, then anchors against further contrasts."""
        own = self._spans(0, self.anchors)
        further = self._spans(self.anchors, self.anchors + len(self.z_ED))
        for number, rows in enumerate(own):
            for columns in own[number:]:
                yield self._tile(rows, columns, self.z_AD[columns], True)
            for columns in further:
                part = self.z_ED[columns.start - self.anchors : columns.stop - self.anchors]
                yield self._tile(rows, columns, part, False)

    def _tile(self, rows: slice, columns: slice, z_columns: Tensor, own: bool) -> _Tile:
        problem = self.problem
        diagonal = own and rows.start == columns.start
        size = (rows.stop - rows.start) * (columns.stop - columns.start)
        exponential = self._buffer(0, rows, columns)
        if self.kept is not None and self.used + size <= len(self.kept):
            exponential = self.kept[self.used : self.used + size].view_as(exponential)
            self.used += size
            if self.filled:
                return _Tile(rows, columns, diagonal, own and not diagonal, None, exponential)
        similarity = None
        if self.codes is None:
            similarity = self._buffer(1, rows, columns)
            torch.mm(self.z_AD[rows], z_columns.T, out=similarity)
            torch.mul(similarity, 1 / problem.temperature, out=exponential)
        else:
            alpha = 1 / problem.temperature
            z_rows = self.z_AD[rows]
            torch.addmm(exponential, z_rows, z_columns.T, beta=0, alpha=alpha, out=exponential)
        if problem.shift:
            exponential.sub_(problem.shift)
        exponential.exp_()
        if diagonal:
            exponential.fill_diagonal_(0.0)
        return _Tile(rows, columns, diagonal, own and not diagonal, similarity, exponential)

    def _equal(self, values: Tensor, tile: _Tile) -> Tensor | None:
        """``(rows, columns)`` bool where values are equal; None where no two can be."""
        rows, columns = values[tile.rows], values[tile.columns]
        if rows.max() < columns.min() or columns.max() < rows.min():
            return None
        return rows[:, None] == columns[None, :]

    def _same_label(self, tile: _Tile) -> Tensor | None:
        if self.problem.same is None:
            return None
        label = self.problem.label
        equal = self._equal(label, tile)
        return None if equal is None else equal & (label[tile.rows] != -1)[:, None]

    def _same_code(self, tile: _Tile) -> Tensor | None:
        if self.codes is None or self.problem.form == "out":
            return None
        return self._equal(self.codes.code_K, tile)

    def _reversed_targets(self, tile: _Tile, similarity: Tensor) -> Tensor:
        anchors, contrasts = self.problem.anchors, self.problem.contrasts
        pairs = PairTile(anchors.rows(tile.columns), contrasts.rows(tile.rows), similarity.T)
        return self._targets(pairs, tile)

    def _own_targets(self, tile: _Tile, similarity: Tensor) -> Tensor:
        anchors, contrasts = self.problem.anchors, self.problem.contrasts
        pairs = PairTile(anchors.rows(tile.rows), contrasts.rows(tile.columns), similarity)
        return self._targets(pairs, tile)

    def _targets(self, pairs: PairTile, tile: _Tile) -> Tensor:
        targets = asked_targets(self.problem.rule, pairs)
        return targets.clone().fill_diagonal_(0.0) if tile.diagonal else targets

    def add_masked(self, tile: _Tile, denominator: Tensor, positive: Tensor) -> None:
        """Add what depends on equal labels (denominator) and equal codes (in form's positives)."""
        same = self.problem.same
        equal = self._same_label(tile)
        if equal is not None and same is not None:
            masked = tile.exponential * equal
            rows, columns = self.column(tile.rows), self.column(tile.columns)
            by_row = masked.sum(1) if columns is None else masked @ columns
            denominator[tile.rows] += same[tile.rows] * by_row
            if tile.mirrored:
                by_column = masked.sum(0) if rows is None else rows @ masked
                denominator[tile.columns] += same[tile.columns] * by_column
        equal = self._same_code(tile)
        if equal is not None and self.codes is not None:
            masked = tile.exponential * equal
            weights = self.codes.weights
            positive[tile.rows].addmv_(masked, weights(tile.columns, masked))
            if tile.mirrored:
                positive[tile.columns].addmv_(masked.T, weights(tile.rows, masked))

    def add_ruled(self, tile: _Tile, total: Tensor, positive: Tensor) -> None:
        """Add the targets of a rule that is asked, and what they say of the positives."""
        if tile.similarity is None:
            return
        out = self.problem.form == "out"
        factor = 1 / self.problem.temperature if out else 1.0
        source = tile.similarity if out else tile.exponential
        targets = self._own_targets(tile, tile.similarity)
        total[tile.rows] += targets.sum(1)
        positive[tile.rows] += factor * torch.linalg.vecdot(targets, source)
        if tile.mirrored:
            targets = self._reversed_targets(tile, tile.similarity)
            total[tile.columns] += targets.sum(1)
            positive[tile.columns] += factor * torch.linalg.vecdot(targets, source.T)

    def force(self, tile: _Tile, pull: Tensor, push: Tensor) -> Tensor:
        """Derivative of the batch's loss by the similarity of each pair, both directions added."""
        rows, columns = tile.rows, tile.columns
        both = tile.mirrored or tile.diagonal
        exponential = tile.exponential
        factor = self._buffer(2, rows, columns)
        w_rows, w_columns = self.column(rows), self.column(columns)
        if both:
            _outer_sum(pull[rows], w_columns, w_rows, pull[columns], factor)
        else:
            _outer(pull[rows], w_columns, factor)
        self._mask_factor(tile, pull, push, factor, both)
        force = factor.mul_(exponential)  # the exponential stays as it is: it may be kept
        if tile.similarity is not None:
            self._push_ruled(tile, push, force)
        return force

    def _mask_factor(
        self, tile: _Tile, pull: Tensor, push: Tensor, factor: Tensor, both: bool
    ) -> None:
        rows, columns, same = tile.rows, tile.columns, self.problem.same
        equal = self._same_label(tile)
        if equal is not None and same is not None:
            w_rows, w_columns = self.column(rows), self.column(columns)
            more = torch.empty_like(factor)
            if both:
                left, right = pull[rows] * same[rows], pull[columns] * same[columns]
                _outer_sum(left, w_columns, w_rows, right, more)
            else:
                _outer(pull[rows] * same[rows], w_columns, more)
            factor.add_(more.mul_(equal))
        equal = self._same_code(tile)
        if equal is not None and self.codes is not None:
            weights, gated = self.codes.weights, self.codes.gated(push)
            less = torch.outer(gated[rows], weights(columns, factor))
            if both:
                less.addr_(weights(rows, factor), gated[columns])
            factor.sub_(less.mul_(equal))

    def _push_ruled(self, tile: _Tile, push: Tensor, force: Tensor) -> None:
        """Take off what the positives of a rule push."""
        similarity = tile.similarity
        if similarity is None:
            return
        both = tile.mirrored or tile.diagonal
        less = self._own_targets(tile, similarity) * push[tile.rows][:, None]
        if both:
            reverse = self._reversed_targets(tile, similarity) * push[tile.columns][:, None]
            less = less + reverse.T
        if self.problem.form == "in":
            logits = similarity.mul_(1 / self.problem.temperature).sub_(self.problem.shift)
            less = less * logits.exp_()
        force.sub_(less)


def _outer(left: Tensor, right: Tensor | None, out: Tensor) -> None:
    if right is None:
        out.copy_(left[:, None].expand_as(out))
    else:
        torch.mul(left[:, None], right[None, :], out=out)


def _outer_sum(
    left: Tensor, w_columns: Tensor | None, w_rows: Tensor | None, right: Tensor, out: Tensor
) -> None:
    """``left_i w_j + w_i right_j``."""
    if w_columns is None or w_rows is None:
        torch.add(left[:, None], right[None, :], out=out)
    else:
        torch.mul(left[:, None], w_columns[None, :], out=out)
        out.addr_(w_rows, right)


def symmetric_anchor_losses(
    z_AD: Tensor, z_ED: Tensor, problem: SymmetricProblem
) -> tuple[Tensor, Tensor]:
    """Losses of the anchors and the sums of their targets, as ``tiled_anchor_losses`` gives them.

    Args:
        z_AD: ``(A, D)`` anchors, which are the first A contrasts.
        z_ED: ``(E, D)`` further contrasts.
        problem: The rest; ``fits(problem.bound, problem.temperature)`` must hold.

    Returns:
        ``(A,)`` losses and ``(A,)`` sums of targets.
    """
    needs_masks = problem.same is not None or problem.form == "in"
    if problem.factors is not None and needs_masks and len(z_AD) > problem.tile:
        key = problem.label if problem.same is not None else problem.factors.code
        return _sorted_losses(z_AD, z_ED, problem, key)
    losses, total = _SymmetricLoss.apply(z_AD, z_ED, problem)
    return losses, total


def _sorted_losses(
    z_AD: Tensor, z_ED: Tensor, problem: SymmetricProblem, key: Tensor
) -> tuple[Tensor, Tensor]:
    """The same with rows in the order of a key, so that equal ones lie in few tiles."""
    anchors = len(z_AD)
    order_A = key[:anchors].argsort(stable=True)
    order_E = key[anchors:].argsort(stable=True)
    order = torch.cat([order_A, anchors + order_E])
    factors = problem.factors
    moved = SymmetricProblem(
        factors=None if factors is None else factors.rows(order),
        rule=problem.rule,
        anchors=problem.anchors,
        contrasts=problem.contrasts,
        label=problem.label[order],
        column=None if problem.column is None else problem.column[order],
        same=None if problem.same is None else problem.same[order_A],
        temperature=problem.temperature,
        form=problem.form,
        bound=problem.bound,
        tile=problem.tile,
    )
    losses, total = _SymmetricLoss.apply(z_AD[order_A], z_ED[order_E], moved)
    back = torch.empty_like(order_A)
    back[order_A] = torch.arange(anchors, device=order_A.device)
    return losses[back], total[back]

"""How often each class is given each label: a transition matrix, and a linear head behind it.

Letters: N samples, F features, C classes, H heads that are fitted side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.selectors.calibration import TINY, calibrated, likeliest_through
from supcon_ext.selectors.linear_agreement import L2_GRID, held_out, standardised
from supcon_ext.selectors.transition_heads import Heads, LinearHeads, scores_of

RATE = 0.4
"""A class that is looked into anew begins with so many wrong labels, of all classes alike."""
PULL = 20.0
"""As many labels of each class are thought of before any is seen, wrong as all classes' are."""
ROUNDS = 2
"""How often heads are fitted through a matrix and the matrix through heads."""
BELIEVED = 3
"""How often heads learn what heads before them said, for the first matrix."""
FIRST_L2 = 0.1
"""Their penalty: a middling one, since theirs is the start alone."""
NEARLY = 0.8
"""A class given another label this often, beside its own, may be that class mistaken."""
MOVES = 5
"""At most as many such mistakes are looked into, of classes with enough labels to tell."""
FITS = BELIEVED + 1 + (1 + MOVES) * ROUNDS
"""At most so often are heads fitted, which is most of the work."""


@dataclass(frozen=True, eq=False)
class Transition:
    """What is known of N labels.

    Attributes:
        matrix: ``(C, C)`` float32, how often each class (row) is given each label; rows sum to 1.
            A class without labels keeps its own.
        p: ``(N, C)`` float32 probability of each class to heads that have not seen the sample nor
            been told its label.
        posterior: ``(N, C)`` float32 the same, told its label.
        l2: Penalty of the heads.
        objective: What was minimised, in nats a label.
    """

    matrix: Tensor
    p: Tensor
    posterior: Tensor
    l2: float
    objective: float


def estimate_transition(
    features: Tensor,
    label: Tensor,
    classes: int,
    voters: int | None = None,
    *,
    seed: int = 0,
    l2: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Transition:
    """Estimate the transition matrix, without samples known to be right.

    The label of a sample is taken for a draw from ``p(label | x) = sum_c p(c | x) T[c, label]``
    with p a logistic regression (robust multinomial logistic regression, Bootkrajang and Kabán
    2012; the forward correction of Patrini et al. 2017). Fitted together, a head under a penalty
    explains noise by doubt, and the matrix comes out as if no label were wrong. So the matrix is
    fitted to heads that have not seen the sample (five folds), with a temperature and a bias, which
    undo what the penalty did; then the heads again through that matrix. What is likeliest to
    labels held out decides: the penalty too.

    Four things keep it from what the likelihood alone cannot exclude. No class is given any other
    label more often than its own. Wrong labels fall alike in all classes as far as :data:`PULL`
    labels say so. Each class is thought to have :data:`FOUND` images, or a quarter of the labels
    that it is given, before any is seen. And where a class has another label nearly as often as its
    own, it may in truth be images of the other which were filed under it: that is tried, and kept
    where it makes the labels likelier. Of classes of some dozens of images the likelihood says too
    little to be sure.

    The start has the labels that many images of a larger class carry, by what heads say after they
    learned their own answers twice (which the more frequent of two labels of a class wins). The
    toolkit's own.

    Args:
        features: ``(N, F)`` of an encoder.
        label: ``(N,)`` int64 given labels, of at least two classes.
        classes: C.
        voters: The first V samples have a say; of the others the heads of all folds tell. None:
            all have.
        seed: Of the folds.
        l2: Penalty beside the mean loss; None chooses of seven from 3 to 0.001 the one under which
            a fifth of the labels is likeliest to the head of the others.
        progress: Told how many of at most :data:`FITS` fits are done.
    """
    count = len(label) if voters is None else voters
    present, given = torch.unique(label[:count], return_inverse=True)
    x = standardised(features[:count], features).float()
    told_of = None if progress is None else lambda fits: progress(fits, FITS)
    problem = _Problem(x, given, held_out(given, seed), told_of)
    first = problem.first()
    if l2 is None:
        l2 = problem.likeliest_penalty(first)
    found = problem.search(l2, first)
    matrix = torch.eye(classes, device=label.device)
    matrix[present[:, None], present] = found.matrix
    place = torch.full((classes,), -1, device=label.device)
    place[present] = torch.arange(len(present), device=label.device)
    known = place[label] >= 0
    posterior = found.p.clone()
    posterior[known] = told(found.p[known], found.matrix, place[label[known]])
    full = found.p.new_zeros(2, len(label), classes)
    full[:, :, present] = torch.stack([found.p, posterior])
    return Transition(matrix, full[0], full[1], l2, found.objective)


def heads_through(
    features: Tensor, label: Tensor, matrix: Tensor, l2: float, *, seed: int = 0
) -> Tensor:
    """``(N, C)`` float32 probability of each class, by heads fitted through a given matrix.

    They have not seen the sample nor been told its label.

    Args:
        features: ``(N, F)`` of an encoder.
        label: ``(N,)`` int64 given labels, of at least two classes.
        matrix: ``(C, C)`` how often each class is given each label.
        l2: Penalty beside the mean loss.
        seed: Of the folds.
    """
    present, given = torch.unique(label, return_inverse=True)
    problem = _Problem(standardised(features).float(), given, held_out(given, seed))
    through = matrix[present[:, None], present]
    p = torch.zeros(len(label), len(matrix), device=label.device)
    p[:, present] = problem.through(l2, through)
    return p


def told(p: Tensor, matrix: Tensor, label: Tensor) -> Tensor:
    """``(N, C)`` probability of each class, once the label is known too (Bayes).

    Args:
        p: ``(N, C)`` without it.
        matrix: ``(C, C)``.
        label: ``(N,)`` int64.
    """
    both = p.clamp(min=TINY) * matrix.T[label].clamp(min=TINY)
    return both / both.sum(1, keepdim=True)


@dataclass(frozen=True, eq=False)
class _Found:
    """A matrix, what heads say through it, and these."""

    objective: float
    matrix: Tensor
    p: Tensor
    heads: Heads


class _Problem(LinearHeads):
    """The search for the matrix, and for heads behind it."""

    def first(self) -> Tensor:
        """Which labels a class carries, by what heads say of it that learned their own answers.

        Only of labels of smaller classes: the others' are taken for accidents.
        """
        believed, heads = self.label, None
        for _ in range(BELIEVED):
            scores, heads = self.out_of_sample(FIRST_L2, believed, None, heads)
            believed = scores[: len(self.label)].argmax(1)
        cell = believed * self.classes + self.label
        count = torch.bincount(cell, minlength=self.classes**2).view(self.classes, -1).float()
        size = count.sum(1, keepdim=True)
        alike = self._alike(1 - float(count.diag().sum() / count.sum()))
        share = (count + PULL * alike) / (size + PULL)
        share = torch.where(size >= size.T, share, torch.minimum(share, alike))
        share = torch.minimum(share, share.diag()[:, None])
        return share / share.sum(1, keepdim=True)

    def likeliest_penalty(self, matrix: Tensor) -> float:
        """The one of the grid under which the labels of the first fold are likeliest."""
        l2, out = self.x.new_tensor(L2_GRID), self.fold == 0
        heads = self.fit(l2, (~out[:, None]).expand(-1, len(l2)), self.label, matrix, None)
        self.count()
        least, _, _ = self._calibrated(
            scores_of(self.x[out], heads.weight * self.scale(l2), heads.bias),
            self.label[out],
            matrix,
        )
        return L2_GRID[int(least.argmin())]

    def search(self, l2: float, first: Tensor) -> _Found:
        """The likeliest matrix found from the first one."""
        tried: set[tuple[int, int]] = set()
        best = self._solved(l2, first, None)
        for _ in range(MOVES):
            move = self._doubtful(best.matrix, tried)
            if move is None:
                break
            tried.add(move)
            other = self._solved(l2, self._refiled(best.matrix, *move), best.heads)
            if other.objective < best.objective:
                best = other
        return best

    def through(self, l2: float, matrix: Tensor) -> Tensor:
        """``(N, C)`` what heads say through a matrix that is known."""
        scores, _ = self.out_of_sample(l2, self.label, matrix, None)
        return likeliest_through(scores, matrix, self.label)

    def _solved(self, l2: float, matrix: Tensor, heads: Heads | None) -> _Found:
        """Heads through a matrix and the matrix through heads, in turn."""
        for _ in range(ROUNDS):
            scores, heads = self.out_of_sample(l2, self.label, matrix, heads)
            least, made, p = self._calibrated(scores[:, None], self.label, matrix)
            matrix = made[0]
        assert heads is not None
        return _Found(float(least), matrix, p[:, 0], heads)

    def _alike(self, rate: float) -> Tensor:
        """``(C, C)``, wrong labels being drawn from all classes alike."""
        eye = torch.eye(self.classes, device=self.x.device)
        return (1 - rate) * eye + rate / self.classes

    def _doubtful(self, matrix: Tensor, tried: set[tuple[int, int]]) -> tuple[int, int] | None:
        """The class, and the label, that it has most nearly as often as its own; not tried yet."""
        ratio = matrix / matrix.diag()[:, None]
        ratio.fill_diagonal_(0)
        ratio[torch.bincount(self.label) < 2 * PULL] = 0
        for class_, label in tried:
            ratio[class_, label] = 0
        place = int(ratio.argmax())
        class_, label = divmod(place, self.classes)
        return (class_, label) if float(ratio[class_, label]) > NEARLY else None

    def _refiled(self, matrix: Tensor, class_: int, source: int) -> Tensor:
        """The matrix if images of `source` were filed under `class_`, of which few are its own."""
        made = matrix.clone()
        made[class_] = self._alike(RATE)[class_]
        made[source, class_] = torch.maximum(made[source, class_], 0.7 * made[source, source])
        return made / made.sum(1, keepdim=True)

    def _calibrated(
        self, scores: Tensor, label: Tensor, start: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Likeliest to labels that were not learned, for each of H heads.

        Args:
            scores: ``(n, H, C)``.
            label: ``(v,)`` int64 of the first ones, which decide.
            start: ``(C, C)`` matrix to begin at.

        Returns:
            ``(H,)`` objective, ``(H, C, C)`` matrix, ``(n, H, C)`` probabilities.
        """
        heads, eye = scores.shape[1], torch.eye(self.classes, device=scores.device)
        start = start.clamp(min=1e-4)
        gap = (start.diag()[:, None].log() - start.log()).clamp(min=1e-2)
        rate = (1 - start.diag().mean()).clamp(0.02, 0.9)
        begin = [
            gap + (-torch.expm1(-gap)).log(),  # softplus of it is the gap
            torch.logit(rate),
            rate.new_zeros(self.classes),
        ]
        free = [each.repeat(heads, *[1] * each.ndim) for each in begin]
        below, wrong, falls = free

        def matrix() -> Tensor:
            odds = (-functional.softplus(below)).exp() * (1 - eye) + eye
            return odds / odds.sum(2, keepdim=True)

        def pull(made: Tensor) -> Tensor:
            rate = wrong.sigmoid()[:, None, None]
            alike = ((1 - rate) * eye + rate * falls.softmax(1)[:, None]).clamp(min=1e-6)
            unlike = (alike * (alike.log() - made.clamp(min=TINY).log())).sum((1, 2))
            return PULL / len(label) * unlike

        return calibrated(scores, label, matrix, free, pull)

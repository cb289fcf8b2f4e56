"""How often each class is given each label: a transition matrix, and a linear head behind it.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.selectors.linear_agreement import FOLDS, L2_GRID, held_out, standardised

RATE = 0.4
"""A class that is looked into anew begins with so many wrong labels, of all classes alike."""
PULL = 20.0
"""As many labels of each class are thought of before any is seen, wrong as all classes' are."""
FOUND = 20.0
"""As many images of each class are thought of before any is seen: so none is lost."""
FOUND_SHARE = 0.25
"""Of a class with few labels only this share of them."""
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
TOLERANCE = 1e-6
"""A search ends where a step gains less, in nats a label."""
STEPS = 100
WIDTH = 10.0
"""Standard deviation, before any label is seen, of what else would be free to run off."""
SHARPEST = 5.0
"""Log of the inverse temperature, at most."""
TINY = 1e-12

States = list[tuple[Tensor, Tensor] | None]
"""Weights and bias of the head of each fold, to begin at; None to begin at zero."""


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
    features: Tensor, label: Tensor, classes: int, *, seed: int = 0, l2: float | None = None
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
        seed: Of the folds.
        l2: Penalty beside the mean loss; None chooses of seven from 3 to 0.001 the one under which
            a fifth of the labels is likeliest to the head of the others.
    """
    present, given = torch.unique(label, return_inverse=True)
    problem = _Problem(standardised(features).float(), given, held_out(given, seed))
    first = problem.first()
    if l2 is None:
        l2 = problem.likeliest_penalty(first)
    found = problem.search(l2, first)
    posterior = told(found.p, found.matrix, given)
    matrix = torch.eye(classes, device=label.device)
    matrix[present[:, None], present] = found.matrix
    full = found.p.new_zeros(2, len(label), classes)
    full[:, :, present] = torch.stack([found.p, posterior])
    return Transition(matrix, full[0], full[1], l2, found.objective)


def told(p: Tensor, matrix: Tensor, label: Tensor) -> Tensor:
    """``(N, C)`` probability of each class, once the label is known too (Bayes).

    Args:
        p: ``(N, C)`` without it.
        matrix: ``(C, C)``.
        label: ``(N,)`` int64.
    """
    both = p.clamp(min=TINY) * matrix.T[label].clamp(min=TINY)
    return both / both.sum(1, keepdim=True)


class _Coordinates(NamedTuple):
    """Features in which the loss of a head curves at most alike in all directions.

    The bound is Böhning's (1992), as for :func:`fit_logistic_regression`.

    Attributes:
        rows: ``(N, F)``.
        scale: ``(F,)`` that the features were multiplied by.
        l2: Penalty of the head.
    """

    rows: Tensor
    scale: Tensor
    l2: float


@dataclass(frozen=True, eq=False)
class _Found:
    """A matrix, what heads say through it, and where these ended."""

    objective: float
    matrix: Tensor
    p: Tensor
    states: States


class _Problem:
    """Labels of C classes that all have some, on features in the directions of their spread.

    Args:
        x: ``(N, F)`` float32, centred.
        label: ``(N,)`` int64.
        fold: ``(N,)`` int64 in [0, FOLDS).
    """

    def __init__(self, x: Tensor, label: Tensor, fold: Tensor) -> None:
        self.label, self.fold = label, fold.to(x.device)
        self.classes = int(label.max()) + 1
        spread, directions = torch.linalg.eigh((x.T @ x / len(x)).double())
        self.spread, self.x = spread.clamp(min=0).float(), x @ directions.float()

    def first(self) -> Tensor:
        """Which labels a class carries, by what heads say of it that learned their own answers.

        Only of labels of smaller classes: the others' are taken for accidents.
        """
        inside = self._coordinates(FIRST_L2)
        believed = self.label
        for _ in range(BELIEVED):
            scores, _ = self._out_of_sample(inside, believed, None, [None] * FOLDS)
            believed = scores.argmax(1)
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
        out = self.fold == 0
        chosen, least = L2_GRID[0], float("inf")
        for l2 in L2_GRID:
            inside = self._coordinates(l2)
            head = self._fit(inside, ~out, self.label, matrix, None)
            scores = _scores(inside.rows[out], head)
            got, _, _ = self._calibrated(scores, self.label[out], matrix)
            if got < least:
                chosen, least = l2, got
        return chosen

    def search(self, l2: float, first: Tensor) -> _Found:
        """The likeliest matrix found from the first one."""
        inside = self._coordinates(l2)

        def solve(matrix: Tensor, states: States) -> _Found:
            found = _Found(float("inf"), matrix, inside.rows, states)
            for _ in range(ROUNDS):
                scores, states = self._out_of_sample(inside, self.label, found.matrix, found.states)
                found = _Found(*self._calibrated(scores, self.label, found.matrix), states)
            return found

        fresh: States = [None] * FOLDS
        tried: set[tuple[int, int]] = set()
        best = solve(first, fresh)
        for _ in range(MOVES):
            move = self._doubtful(best.matrix, tried)
            if move is None:
                break
            tried.add(move)
            other = solve(self._refiled(best.matrix, *move), best.states)
            if other.objective < best.objective:
                best = other
        return best

    def _alike(self, rate: float) -> Tensor:
        """``(C, C)``, wrong labels being drawn from all classes alike."""
        eye = torch.eye(self.classes, device=self.x.device)
        return (1 - rate) * eye + rate / self.classes

    def _coordinates(self, l2: float) -> _Coordinates:
        """Those of a penalty."""
        scale = (self.spread / 2 + l2).rsqrt()
        return _Coordinates(self.x * scale, scale, l2)

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

    def _out_of_sample(
        self, inside: _Coordinates, label: Tensor, matrix: Tensor | None, states: States
    ) -> tuple[Tensor, States]:
        """``(N, C)`` scores of heads that have not seen the sample, and where these ended."""
        scores = inside.rows.new_zeros(len(label), self.classes)
        ended: States = []
        for held, start in enumerate(states):
            out = self.fold == held
            head = self._fit(inside, ~out, label, matrix, start)
            scores[out] = _scores(inside.rows[out], head)
            ended.append(head)
        return scores, ended

    def _fit(
        self,
        inside: _Coordinates,
        seen: Tensor,
        label: Tensor,
        matrix: Tensor | None,
        start: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        """Weights ``(C, F)`` and bias of the head to which the labels seen are likeliest."""
        rows, label = inside.rows[seen], label[seen]
        zero = rows.new_zeros(self.classes, rows.shape[1]), rows.new_zeros(self.classes)
        weight, bias = (part.clone().requires_grad_() for part in start or zero)
        expected = self._expected(label)

        def loss() -> Tensor:
            scores = rows @ weight.T + bias
            penalty = inside.l2 / 2 * (weight * inside.scale).square().sum()
            penalty = penalty + _far([bias], label)
            if matrix is None:
                return functional.cross_entropy(scores, label) + penalty
            p = scores.softmax(1)
            return _surprise(p, matrix, label) + _lost(p, expected) + penalty

        _minimise([weight, bias], loss)
        return weight.detach(), bias.detach()

    def _expected(self, label: Tensor) -> Tensor:
        """``(C,)`` share of the images that each class is thought to have, before any is seen."""
        given = torch.bincount(label, minlength=self.classes)
        return (FOUND_SHARE * given).clamp(max=FOUND) / len(label)

    def _calibrated(
        self, scores: Tensor, label: Tensor, start: Tensor
    ) -> tuple[float, Tensor, Tensor]:
        """Objective, matrix and ``(n, C)`` probabilities, likeliest to labels not learned."""
        scores = scores - scores.mean(0)
        eye = torch.eye(self.classes, device=scores.device)
        start = start.clamp(min=1e-4)
        gap = (start.diag()[:, None].log() - start.log()).clamp(min=1e-2)
        rate = float(1 - start.diag().mean())
        sharpness, bias = scores.new_zeros(()), scores.new_zeros(self.classes)
        below = gap + (-torch.expm1(-gap)).log()  # softplus of it is the gap
        wrong, falls = torch.logit(scores.new_tensor(rate).clamp(0.02, 0.9)), bias.clone()
        free = [each.requires_grad_() for each in (sharpness, bias, below, wrong, falls)]
        expected = self._expected(label)

        def matrix() -> Tensor:
            odds = (-functional.softplus(below)).exp() * (1 - eye) + eye
            return odds / odds.sum(1, keepdim=True)

        def calibrated() -> Tensor:
            return (sharpness.clamp(-SHARPEST, SHARPEST).exp() * scores + bias).softmax(1)

        def loss() -> Tensor:
            p, made = calibrated(), matrix()
            share = wrong.sigmoid()
            alike = ((1 - share) * eye + share * falls.softmax(0)).clamp(min=1e-6)
            pull = (alike * (alike.log() - made.clamp(min=TINY).log())).sum()
            least = _surprise(p, made, label) + _lost(p, expected)
            return least + PULL / len(label) * pull + _far(free, label)

        least = _minimise(free, loss)
        with torch.no_grad():
            return least, matrix(), calibrated()


def _scores(rows: Tensor, head: tuple[Tensor, Tensor]) -> Tensor:
    return rows @ head[0].T + head[1]


def _surprise(p: Tensor, matrix: Tensor, label: Tensor) -> Tensor:
    """Mean of -log p(label), the labels seen through the matrix."""
    return -(p * matrix.T[label]).sum(1).clamp(min=TINY).log().mean()


def _lost(p: Tensor, expected: Tensor) -> Tensor:
    """What it costs that classes are hardly there."""
    return -(expected * p.mean(0).clamp(min=TINY).log()).sum()


def _far(free: Sequence[Tensor], label: Tensor) -> Tensor:
    """What it costs to be far from 0: next to nothing, but where labels say nothing."""
    square = torch.stack([each.square().sum() for each in free]).sum()
    return square / (2 * WIDTH**2 * len(label))


def _minimise(free: Sequence[Tensor], loss: Callable[[], Tensor]) -> float:
    """Change the free tensors until the loss is least; that loss."""
    optimizer = torch.optim.LBFGS(
        list(free),
        max_iter=STEPS,
        max_eval=2 * STEPS,
        tolerance_grad=TOLERANCE,
        tolerance_change=TOLERANCE,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float(loss())

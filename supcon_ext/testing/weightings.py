"""The contract of weightings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.losses.check_plan import check_plan, checked_columns
from supcon_ext.losses.reference import reference_loss
from supcon_ext.losses.rows import Rows, WeightingStep
from supcon_ext.losses.supcon import SameLabel, SupConLoss
from supcon_ext.models.batch_norms import BATCH_NORMS
from supcon_ext.seeding import seeded_weights
from supcon_ext.testing.bank import CLASSES, DIM, FEATURES, SAMPLES, rows
from supcon_ext.testing.contract import Contract, pristine, same
from supcon_ext.training.declared_state import declared_keys
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting

CONTRACT = Contract("weighting")
DRAWS = "`step.generator`"
TAU = 0.3
STEPS = (0.0, 0.3, 0.6, 0.9, 0.95)


def check_weighting(weighting: Weighting, columns: Mapping[str, Tensor] | None = None) -> None:
    """Check that a weighting keeps the contract that the loss and a resumed run rely on.

    Shapes and types of plan and columns; a finite loss and gradient that are those of the plain
    formula; state that is made in ``__init__`` and ``setup``, changes in ``observe`` alone, and
    that a checkpoint carries to a fresh instance, which then weighs the same; no draw from a global
    generator. The weighting is copied first and not changed.

    Args:
        weighting: The weighting to check, as a recipe makes it.
        columns: ``(24, ...)`` tensors for the manifest columns that it reads, one value for each of
            24 samples.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    columns = dict(columns or {})
    if "posterior" in weighting.requires:
        label = torch.arange(SAMPLES) % CLASSES
        columns["posterior"] = functional.one_hot(label, CLASSES).float() * 0.7 + 0.1
    new = pristine(weighting)
    _trained(_ready(new), _step(columns, len(STEPS) - 1))
    with CONTRACT.class_unchanged(weighting):
        _check_resume(new, columns)
    _check_formula(_ready(new), columns)


def _ready(new: Callable[[], Weighting]) -> Weighting:
    made = new()
    counts = torch.tensor([SAMPLES // 2, SAMPLES // 3, SAMPLES - SAMPLES // 2 - SAMPLES // 3])
    with seeded_weights(0, "check"):
        made.setup(TrainingFacts(SAMPLES, CLASSES, counts, dim=DIM, features=FEATURES))
    return made


def _step(columns: Mapping[str, Tensor], number: int) -> WeightingStep:
    generator = torch.Generator().manual_seed(number)
    vectors = nn.Parameter(torch.randn(CLASSES, FEATURES, generator=generator))
    return WeightingStep(
        rows(columns, seed=number),
        TAU,
        class_vectors=vectors,
        counts=torch.tensor([12, 6, 4]) - number % 3,
        epoch=number,
        progress=STEPS[number],
        generator=generator,
    )


def _trained(weighting: Weighting, step: WeightingStep) -> list[Tensor]:
    """One step's loss and the gradients that it gives."""
    z = step.rows.z.clone().requires_grad_()
    with CONTRACT.border():
        loss = SupConLoss(TAU, weighting=weighting).details(step.rows.with_z(z), step=step).loss
    leaves = [z, *weighting.parameters()]
    if step.class_vectors is not None:
        leaves.append(step.class_vectors)
    if not loss.requires_grad:
        return [loss]
    made = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    finite = bool(loss.isfinite()) and all(bool(part.isfinite().all()) for part in made)
    CONTRACT.expect(finite, "loss and gradients must be finite")
    return [loss.detach(), *made]


def _check_resume(new: Callable[[], Weighting], columns: Mapping[str, Tensor]) -> None:
    first = _ready(new)
    declared = declared_keys(first)
    steps = [_step(columns, number) for number in range(len(STEPS))]
    with CONTRACT.world(0, DRAWS):
        for step in steps[:3]:
            _trained(first, step)
            CONTRACT.same_keys(first, declared)
        state = CONTRACT.through_file(first.state_dict())
        marks = [None if s.generator is None else s.generator.get_state() for s in steps]
        told = [*(_trained(first, step) for step in steps[3:]), first.state_dict()]
    for step, mark in zip(steps, marks, strict=True):
        if step.generator is not None and mark is not None:
            step.generator.set_state(mark)
    with CONTRACT.world(1, DRAWS):
        resumed = _ready(new)
        resumed.load_state_dict(state)
        later = [*(_trained(resumed, step) for step in steps[3:]), resumed.state_dict()]
    CONTRACT.expect(
        same(told, later),
        "loss and state must go on the same after a state round trip into a fresh instance, which "
        "is what a resumed run has. Try: keep what `observe` gathers in buffers that `setup` "
        "registers, not in plain attributes",
    )


def _check_formula(weighting: Weighting, columns: Mapping[str, Tensor]) -> None:
    weighting.eval()
    for number in range(len(STEPS)):
        step = _step(columns, number)
        with torch.no_grad():
            weighting.observe(step)
        before = {name: value.clone() for name, value in _own_state(weighting).items()}
        views = step.rows
        with CONTRACT.border():
            extra = checked_columns(weighting, weighting.columns(step), views)
            both = views if extra is None else Rows.cat([views, extra])
            plan = weighting.plan(step, views, both)
            check_plan(weighting, plan, len(views), len(both))
        again = weighting.plan(step, views, both)
        CONTRACT.expect(same(plan, again), "the plan must be the same when asked for again")
        CONTRACT.expect(
            same(before, _own_state(weighting)),
            "state must change in `observe` alone, but `columns` or `plan` changed it. Try: move "
            "what gathers to `observe`",
        )
        for name in ("anchor", "target_own", "target_column"):
            part = getattr(plan, name)
            CONTRACT.expect(
                part is None or bool((part >= 0).all()), f"`{name}` of the plan must be at least 0"
            )
        told = reference_loss(views, both, SameLabel(), plan, TAU)
        loss = SupConLoss(TAU, weighting=weighting).eval().details(views, step=step).loss.detach()
        told = told.detach()
        CONTRACT.expect(
            bool(torch.allclose(loss, told, atol=1e-4)),
            f"the loss must equal the plain formula, but is {float(loss)} against {float(told)}",
        )


def _own_state(weighting: Weighting) -> dict[str, Tensor]:
    """The state without the running statistics of batch normalisation, which layers keep."""
    layers = [name for name, part in weighting.named_modules() if isinstance(part, BATCH_NORMS)]
    state = weighting.state_dict()
    return {k: v for k, v in state.items() if not any(k.startswith(f"{n}.") for n in layers)}

"""The contract of positive selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.asking import asked_factors, asked_targets
from supcon_ext.losses.factors import targets_of
from supcon_ext.losses.reference import reference_loss
from supcon_ext.selectors.asking import ask
from supcon_ext.selectors.base import PositiveSelector, Selection
from supcon_ext.testing.bank import NAMES, bank, rows, tile
from supcon_ext.testing.contract import Contract, pristine, same

CONTRACT = Contract("selector")
DRAWS = "a torch.Generator made in `refresh`, with a seed of `seed` and the epoch"


def check_selector(selector: PositiveSelector, columns: Mapping[str, Tensor] | None = None) -> None:
    """Check that a selector keeps the contract that the loss and a resumed run rely on.

    Shapes and sign of the targets; the same answer when asked again, for any tile size and any
    order of rows; a finite loss, also where nothing is a positive; a selection of the right shape,
    made of what ``requires`` names and of nothing else; no draw from a global generator; state that
    a checkpoint carries to a fresh instance, which then says the same. The selector is copied first
    and not changed.

    Args:
        selector: The selector to check, ready for use.
        columns: ``(24, ...)`` tensors for the manifest columns that it reads, one value for each of
            24 samples.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    columns = dict(columns or {})
    unknown = sorted(selector.requires - set(NAMES))
    CONTRACT.expect(not unknown, f"`requires` must be of {', '.join(NAMES)}, but names {unknown}")
    with CONTRACT.class_unchanged(selector):
        new = pristine(selector)
        _check_required(new, columns)
        with CONTRACT.world(0, DRAWS):
            _check_pairs(new(), columns)
        _check_resume(new, columns)


def _refreshed(
    selector: PositiveSelector, columns: Mapping[str, Tensor], epoch: int, everything: bool = False
) -> Selection | None:
    requires = frozenset(NAMES) if everything else selector.requires
    with CONTRACT.border():
        return ask(selector, bank(requires, columns, seed=epoch), epoch)


def _check_required(new: Callable[[], PositiveSelector], columns: Mapping[str, Tensor]) -> None:
    """A selector that looks at more than it requires finds nothing there in a run."""
    told = sorted(new().requires) or "nothing"
    broken = "name in `requires` whatever `refresh` reads of the bank"
    _refreshed(new(), columns, 0, everything=True)
    with CONTRACT.class_unchanged(new()), CONTRACT.world(0, DRAWS):
        wide = _refreshed(new(), columns, 0, everything=True)
    try:
        with CONTRACT.world(0, DRAWS):
            narrow = _refreshed(new(), columns, 0)
    except Exception as error:
        raise AssertionError(
            f"selector contract: {broken}: of a bank that holds {told} beside labels, "
            f"it fails with {type(error).__name__}: {error}"
        ) from error
    CONTRACT.expect(
        same(narrow, wide),
        f"{broken}: it selects otherwise where the bank holds more than {told}, which it does "
        "whenever another part requires it",
    )


def _check_resume(new: Callable[[], PositiveSelector], columns: Mapping[str, Tensor]) -> None:
    views = rows(columns)
    first = new()
    with CONTRACT.world(0, DRAWS):
        for epoch in range(3):
            _refreshed(first, columns, epoch)
            first.targets(tile(views, views))
        state = CONTRACT.through_file(first.state_dict())
        told: list[Any] = [first.targets(tile(views, views)), _refreshed(first, columns, 3)]
        told += [first.targets(tile(views, views)), _refreshed(first, columns, 4)]
        told += [first.state_dict()]
    with CONTRACT.world(1, DRAWS):
        resumed = new()
        resumed.load_state_dict(state)
        later: list[Any] = [resumed.targets(tile(views, views)), _refreshed(resumed, columns, 3)]
        later += [resumed.targets(tile(views, views)), _refreshed(resumed, columns, 4)]
        later += [resumed.state_dict()]
    lost = "Try: give all that `refresh` keeps in `state_dict`, and take it in `load_state_dict`"
    whats = ("targets", "the next selection", "targets after it", "the selection after that")
    for what, one, other in zip((*whats, "its state"), told, later, strict=True):
        CONTRACT.expect(
            same(one, other),
            f"{what} must be the same after a state round trip into a fresh instance, which is "
            f"what a resumed run has. {lost}",
        )


def _check_pairs(selector: PositiveSelector, columns: Mapping[str, Tensor]) -> None:
    _refreshed(selector, columns, 0)
    views = rows(columns)
    whole = tile(views, views)
    targets = selector.targets(whole)
    CONTRACT.expect(
        getattr(targets, "shape", None) == whole.similarity_AK.shape,
        f"targets must be {tuple(whole.similarity_AK.shape)}, one for each pair, "
        f"but are {tuple(getattr(targets, 'shape', ())) or type(targets).__name__}",
    )
    values = targets.float()
    CONTRACT.expect(bool(values.isfinite().all()), "targets must be finite")
    CONTRACT.expect(bool((values >= 0).all()), "targets must not be negative")
    again = selector.targets(tile(views, views)).float()
    CONTRACT.expect(torch.equal(values, again), "targets must be the same when asked for again")
    _check_factors(selector, views, values)
    _check_tiles(selector, views, values)
    _check_order(selector, views, values)
    _check_loss(selector, views)


def _check_factors(selector: PositiveSelector, views: Rows, values: Tensor) -> None:
    with CONTRACT.border():
        factors = asked_factors(selector, views)
    if factors is None:
        return
    told = targets_of(factors, factors, views.z @ views.z.T)
    other = ~(views.uid[:, None] == views.uid[None, :])
    CONTRACT.expect(
        bool(torch.allclose(told * other, values * other, atol=1e-5)),
        "factors must tell the same targets as `targets` does",
    )


def _check_tiles(selector: PositiveSelector, views: Rows, values: Tensor) -> None:
    for size, count in ((1, 6), (5, len(views)), (len(views), len(views))):
        parts = []
        for row in range(0, count, size):
            anchors = views.rows(slice(row, row + size))
            with CONTRACT.border():
                found = [
                    asked_targets(
                        selector, tile(anchors, views.rows(slice(column, column + size)))
                    ).float()
                    for column in range(0, len(views), size)
                ]
            parts.append(torch.cat(found, 1))
        CONTRACT.expect(
            bool(torch.allclose(torch.cat(parts), values[:count], atol=1e-5)),
            f"targets must not depend on the tile, but differ for tiles of {size} rows",
        )


def _check_order(selector: PositiveSelector, views: Rows, values: Tensor) -> None:
    order = torch.randperm(len(views), generator=torch.Generator().manual_seed(1))
    shuffled = views.rows(order)
    targets = selector.targets(tile(shuffled, shuffled)).float()
    CONTRACT.expect(
        bool(torch.allclose(targets, values[order][:, order], atol=1e-5)),
        "targets must follow the rows when these are put in another order",
    )


def _check_loss(selector: PositiveSelector, views: Rows) -> None:
    loss = SupConLoss(0.1, selector=selector)
    for batch, what in ((views, "a batch"), (views.rows(slice(0, 1)), "a single row")):
        z = batch.z.clone().requires_grad_()
        value = loss(batch.with_z(z))
        value.backward()
        finite = bool(value.isfinite()) and z.grad is not None and bool(z.grad.isfinite().all())
        CONTRACT.expect(finite, f"loss and gradient of {what} must be finite")
        value = value.detach()
        plain = reference_loss(batch, batch, selector)
        CONTRACT.expect(
            bool(torch.allclose(value, plain, atol=1e-4)),
            f"the loss of {what} must equal the plain formula, "
            f"but is {float(value)} against {float(plain)}",
        )

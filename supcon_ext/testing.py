"""Contract tests for selectors of one's own: ``check_selector(MySelector())`` is all it takes."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import PairTile, SupConLoss, Views
from supcon_ext.losses.factors import targets_of
from supcon_ext.losses.reference import reference_loss
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection

SAMPLES, CLASSES, DIM = 24, 3, 8


def check_selector(selector: PositiveSelector, columns: Mapping[str, Tensor] | None = None) -> None:
    """Check that a selector keeps the contract that the loss relies on.

    Shapes and sign of the targets; the same answer when asked again, for any tile size and any
    order of rows; a finite loss, also where nothing is a positive; a refreshed selection of the
    right shape; state that survives a round trip. The selector is copied first and not changed.

    Args:
        selector: The selector to check, ready for use.
        columns: ``(24, ...)`` tensors for the manifest columns that it reads, one value for each of
            24 samples.

    Raises:
        AssertionError: The contract is broken; the message says where.
    """
    selector = copy.deepcopy(selector)
    columns = dict(columns or {})
    _check_refresh(selector, columns)
    views = _views(columns)
    tile = _tile(views, views)
    targets = selector.targets(tile)
    _expect(
        targets.shape == tile.similarity_AK.shape,
        f"targets must be {tuple(tile.similarity_AK.shape)}, one for each pair, "
        f"but are {tuple(targets.shape)}",
    )
    values = targets.float()
    _expect(bool(values.isfinite().all()), "targets must be finite")
    _expect(bool((values >= 0).all()), "targets must not be negative")
    again = selector.targets(_tile(views, views)).float()
    _expect(bool(torch.equal(values, again)), "targets must be the same when asked for again")
    _check_factors(selector, views, values)
    _check_tiles(selector, views, values)
    _check_order(selector, views, values)
    _check_loss(selector, views)
    _check_state(selector, views, values)


def _expect(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(f"selector contract: {message}")


def _views(columns: Mapping[str, Tensor]) -> Views:
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(SAMPLES) % CLASSES
    label[-2:] = -1
    index = torch.arange(SAMPLES).repeat(2)
    center = functional.one_hot(label.clamp(min=0), DIM).float()
    z = center.repeat(2, 1) + 0.5 * torch.randn(2 * SAMPLES, DIM, generator=generator)
    trust = torch.rand(SAMPLES, generator=generator).repeat(2)
    return Views.of(
        functional.normalize(z, dim=1),
        label.repeat(2),
        index=index,
        trust=trust,
        extra={name: column[index] for name, column in columns.items()},
    )


def _tile(anchors: Views, contrasts: Views) -> PairTile:
    return PairTile(anchors, contrasts, anchors.z @ contrasts.z.T)


def _check_refresh(selector: PositiveSelector, columns: Mapping[str, Tensor]) -> None:
    views = _views(columns).rows(slice(0, SAMPLES))
    label = views.label.clamp(min=0)
    logits = 4 * functional.one_hot(label, CLASSES).float() + views.z[:, :CLASSES]
    bank = SampleBank(
        index=torch.arange(SAMPLES),
        label=label,
        classes=CLASSES,
        features=views.z,
        z=views.z,
        logits=logits,
        loss=functional.cross_entropy(logits, label, reduction="none"),
        peer_logits=logits.flip(1) / 2 + logits,
        truth=torch.where(torch.arange(SAMPLES) % 5 == 0, (label + 1) % CLASSES, label),
        columns=columns,
    )
    made = selector.refresh(bank, 0)
    if made is None:
        return
    _expect(isinstance(made, Selection), "refresh must give a Selection or None")
    _expect(made.trust.shape == (SAMPLES,), f"trust must have shape ({SAMPLES},)")
    _expect(bool(((made.trust >= 0) & (made.trust <= 1)).all()), "trust must lie in [0, 1]")
    _expect(made.label.shape == (SAMPLES,), f"label must have shape ({SAMPLES},)")
    _expect(made.role.shape == (SAMPLES,), f"role must have shape ({SAMPLES},)")


def _check_factors(selector: PositiveSelector, views: Views, values: Tensor) -> None:
    factors = selector.factors(views)
    if factors is None:
        return
    told = targets_of(factors, factors, views.z @ views.z.T)
    other = ~(views.uid[:, None] == views.uid[None, :])
    _expect(
        bool(torch.allclose(told * other, values * other, atol=1e-5)),
        "factors must tell the same targets as `targets` does",
    )


def _check_tiles(selector: PositiveSelector, views: Views, values: Tensor) -> None:
    for size in (1, 5, len(views)):
        rows = []
        for row in range(0, len(views), size):
            anchors = views.rows(slice(row, row + size))
            parts = [
                selector.targets(_tile(anchors, views.rows(slice(column, column + size)))).float()
                for column in range(0, len(views), size)
            ]
            rows.append(torch.cat(parts, 1))
        _expect(
            bool(torch.allclose(torch.cat(rows), values, atol=1e-5)),
            f"targets must not depend on the tile, but differ for tiles of {size} rows",
        )


def _check_order(selector: PositiveSelector, views: Views, values: Tensor) -> None:
    order = torch.randperm(len(views), generator=torch.Generator().manual_seed(1))
    shuffled = views.rows(order)
    targets = selector.targets(_tile(shuffled, shuffled)).float()
    _expect(
        bool(torch.allclose(targets, values[order][:, order], atol=1e-5)),
        "targets must follow the rows when these are put in another order",
    )


def _check_loss(selector: PositiveSelector, views: Views) -> None:
    loss = SupConLoss(0.1, selector=selector)
    for batch, what in ((views, "a batch"), (views.rows(slice(0, 1)), "a single row")):
        z = batch.z.clone().requires_grad_()
        value = loss(batch.with_z(z))
        value.backward()
        finite = bool(value.isfinite()) and z.grad is not None and bool(z.grad.isfinite().all())
        _expect(finite, f"loss and gradient of {what} must be finite")
        value = value.detach()
        plain = reference_loss(batch, batch, selector)
        _expect(
            bool(torch.allclose(value, plain, atol=1e-4)),
            f"the loss of {what} must equal the plain formula, "
            f"but is {float(value)} against {float(plain)}",
        )


def _check_state(selector: PositiveSelector, views: Views, values: Tensor) -> None:
    restored = copy.deepcopy(selector)
    restored.load_state_dict(copy.deepcopy(selector.state_dict()))
    targets = restored.targets(_tile(views, views)).float()
    _expect(bool(torch.equal(targets, values)), "targets must be the same after a state round trip")

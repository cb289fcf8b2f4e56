"""Draws that follow from keys alone, for a whole batch at once.

A key is a row of integers, (seed, epoch, sample, view, visit). It is mixed into 64 bits by the
finaliser of SplitMix64 (Steele et al. 2014), column by column; what is drawn from those bits is the
same for one row as for any batch that holds it, on every device and in every process.

Letters: n rows, F coordinates, P numbers of a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

COLUMNS = 5
"""Of a key: seed, epoch, sample, view and visit; what a key lacks at its end is 0."""

POOL = 2**20
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class KeyColumns(NamedTuple):
    """A batch of keys by what they tell, each ``(n,)`` int64."""

    seed: Tensor
    epoch: Tensor
    sample: Tensor
    view: Tensor
    visit: Tensor


def columns_of(keys: Tensor) -> KeyColumns:
    """The columns of ``(n, 5)`` keys."""
    return KeyColumns(*keys.unbind(1))


def padded(key: tuple[int, ...]) -> tuple[int, ...]:
    """A key of :data:`COLUMNS` numbers."""
    return (*key, *(0,) * (COLUMNS - len(key)))[:COLUMNS]


def hashed(columns: tuple[Tensor, ...], purpose: int) -> Tensor:
    """``(n,)`` int64, 64 bits drawn from each row.

    Args:
        columns: ``(n,)`` int64 each.
        purpose: Tells draws of one key apart.
    """
    state = torch.full_like(columns[0], _signed(purpose * _GOLDEN))
    for column in columns:
        state = _mixed(state ^ column)
    return state


def _mixed(bits: Tensor) -> Tensor:
    bits = bits + _signed(_GOLDEN)
    bits = (bits ^ _shifted(bits, 30)) * _signed(_FIRST)
    bits = (bits ^ _shifted(bits, 27)) * _signed(_SECOND)
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """To the right, zeros coming in: torch's own shift of int64 brings in the sign."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _signed(number: int) -> int:
    """64 bits as torch's int64 counts them."""
    number %= 2**64
    return number - 2**64 if number >= 2**63 else number


def uniform(bits: Tensor) -> Tensor:
    """``(n,)`` float32 in [0, 1), of the upper 24 bits."""
    return _shifted(bits, 40).float() / 2**24


def below(bits: Tensor, count: int | Tensor) -> Tensor:
    """``(n,)`` int64 in [0, count)."""
    return _shifted(bits, 1) % count


class NoiseRows:
    """Rows of independent draws: each a stretch of one long pool, which random bits point to.

    Two rows that overlap are shifted against each other, so that no coordinate gets the same draw
    in both; of a million stretches, two samples of a batch hardly ever get the same.

    Args:
        width: F.
        draw: Draws so many numbers from a generator; decides what is in the pool.
    """

    def __init__(self, width: int, draw: Callable[[int, torch.Generator], Tensor]) -> None:
        generator = torch.Generator().manual_seed(0x5EED)
        self.pool = draw(max(POOL, 16 * width), generator)
        self.width = width

    def __call__(self, bits: Tensor) -> Tensor:
        """``(n, F)`` float32 by ``(n,)`` random bits."""
        rows = self.pool.unfold(0, self.width, 1)
        place = below(bits, len(rows)).to(rows.device)
        return rows[place].to(bits.device)

"""A first-in-first-out memory of keys that serve as further contrasts (MoCo, with labels)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from supcon_ext.losses.arguments import integers, shown, whole
from supcon_ext.losses.gather import gather_rows, world_size
from supcon_ext.losses.rows import Rows, Source
from supcon_ext.losses.untraced import untraced

FIRST_UID = -(1 << 40)


class KeyQueue(nn.Module):
    """The last ``size`` keys and the samples they came from.

    Labels are not kept: they are looked up by sample when the queue is used, so that an old key
    follows what is believed of its sample now. Slots that were never filled are never handed out.

    Args:
        size: Number of keys kept.
        dim: Length D of a key.
    """

    keys: Tensor
    index: Tensor
    cursor: Tensor
    filled: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        size, dim = whole("size", size, least=1), whole("dim", dim, least=1)
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("index", torch.full((size,), -1))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return int(self.filled)

    @untraced
    @torch.no_grad()
    def push(self, keys: Tensor, index: Tensor) -> None:
        """Put keys in, over the oldest ones; of more keys than there is room for, the last stay.

        Args:
            keys: ``(n, D)`` of unit norm.
            index: ``(n,)`` int64 samples.

        Raises:
            ValueError: Shapes do not fit.
        """
        size, dim = self.keys.shape
        if not isinstance(keys, Tensor) or keys.ndim != 2 or keys.shape[1] != dim:
            raise ValueError(
                f"Expected a tensor (n, {dim}) as argument `keys`, but got {shown(keys)}. "
                f"Try: a queue with the network's dim"
            )
        index = integers("index", index, keys)
        keys, index = keys[-size:].detach().to(self.keys.dtype), index[-size:]
        slots = (int(self.cursor) + torch.arange(len(keys), device=self.keys.device)) % size
        self.keys[slots] = keys
        self.index[slots] = index
        self.cursor.fill_((int(self.cursor) + len(keys)) % size)
        self.filled.fill_(min(size, int(self.filled) + len(keys)))

    @untraced
    @torch.no_grad()
    def push_rows(self, rows: Rows) -> None:
        """Put in the keys of all processes, in the order of their samples.

        Args:
            rows: This process's keys; with the order the result is the same for any number of
                processes.
        """
        everyone = gather_rows(rows)[0] if world_size() > 1 else rows
        order = everyone.index.argsort(stable=True)
        self.push(everyone.z[order], everyone.index[order])

    @untraced
    def rows(
        self, label_N: Tensor, trust_N: Tensor, columns: Mapping[str, Tensor] | None = None
    ) -> Rows | None:
        """The filled slots as contrasts, or None while there are none.

        Args:
            label_N: ``(N,)`` working label of every training sample.
            trust_N: ``(N,)`` trust of every training sample.
            columns: Further ``(N, ...)`` columns of the training set.
        """
        count = len(self)
        if count == 0:
            return None
        index = self.index[:count]
        return Rows.of(
            self.keys[:count].clone(),
            label_N[index],
            index=index,
            uid=FIRST_UID + torch.arange(count, device=index.device),
            source=Source.QUEUE,
            trust=trust_N[index],
            columns={name: column[index] for name, column in (columns or {}).items()},
        )

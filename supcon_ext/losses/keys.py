"""Keys: a momentum encoder's encodings, which stand as contrasts in place of the batch's own rows.

A row's own key is that of the same view. Like the pair of a row with itself it can be left out:
both then have one ``uid``.

Letters: N rows of the batch, M keys.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from supcon_ext.losses.batch import of_rows, refuse_first, require_extra
from supcon_ext.losses.gather import gather_rows, world_size
from supcon_ext.losses.queue import FIRST_UID
from supcon_ext.losses.rows import Rows


def check_keys(keys: Any, views: Rows, normalize: bool) -> None:
    """Refuse keys that do not fit the batch.

    Args:
        keys: Given as such.
        views: The batch's rows.
        normalize: Whether embeddings are to be normalised.

    Raises:
        ValueError: They are no rows like the batch's, fewer, not of the same samples, or only some
            have the ``uid`` of a row.
    """
    require_extra(keys, views, "keys")
    if len(keys) < len(views):
        raise ValueError(
            f"Expected a key of each of the {len(views)} rows at least, but got {len(keys)}. "
            "Try: the keys of the same samples first"
        )
    first = keys.index[: len(views)] != views.index
    problems = of_rows("keys", keys, normalize)
    problems.append((first, "`keys` that begin with those of the rows' samples", "the same order"))
    own = len(keys) == len(views) and bool((keys.uid == views.uid).all())
    mixed = torch.zeros_like(first) if own else keys.uid >= 0
    advice = "uid=-1 - torch.arange(len(keys)), so that no key is left out"
    problems.append((mixed, "the rows' `uid` of all `keys`, or negative ones", advice))
    refuse_first(problems)


def keys_of_all(keys: Rows, rows: Tensor) -> list[Rows]:
    """The keys of all processes: first those of this process's anchors, then the others.

    Args:
        keys: This process's.
        rows: ``(A,)`` places of the anchors among this process's rows.
    """
    start = 0
    if world_size() > 1:
        own = bool((keys.uid >= 0).all())
        keys, start = gather_rows(keys)
        if not own:
            keys = replace(keys, uid=FIRST_UID - 1 - keys.uid)
    first = start + rows
    rest = torch.ones(len(keys), dtype=torch.bool, device=rows.device)
    rest[first] = False
    return [part for part in (keys.rows(first), keys.rows(rest)) if len(part)]

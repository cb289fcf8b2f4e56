"""Which of a run's processes speaks to people."""

from __future__ import annotations

import os


def is_first_process() -> bool:
    """Whether this is the process that prints: the only one, or the first that a launcher started.

    torchrun sets ``RANK``; Lightning Fabric, which starts processes itself, ``NODE_RANK`` and
    ``LOCAL_RANK``; SLURM ``SLURM_PROCID``.
    """
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))

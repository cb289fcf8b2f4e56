"""How many processes may load images: no more than there are cores."""

from __future__ import annotations

import joblib


def workers_at_hand(wanted: int, processes: int = 1) -> int:
    """The wanted number of workers, or as many as the cores of this machine let run at once.

    Results do not depend on the number. More than cores only cost memory and switching, and each
    holds batches of its own back.

    Args:
        wanted: What the recipe says.
        processes: Training processes on this machine, which share its cores.
    """
    cores = int(joblib.cpu_count())
    return min(wanted, max(1, cores // processes))

"""Which process speaks: of those that run one command together, the first, so that all is once.

A launcher starts the same command several times (``torchrun``, or Lightning for
``compute.devices``), and each would print the same lines.
"""

from __future__ import annotations

import os
import sys

from supcon_ext.progress.first_process import is_first_process

_kept: list[int] = []


def fall_silent() -> None:
    """Print nothing from here on, unless this process is the first."""
    if is_first_process() or _kept:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    _kept.append(os.dup(2))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def speak_up() -> None:
    """Print errors again."""
    if _kept:
        sys.stderr.flush()
        os.dup2(_kept.pop(), 2)


def has_the_word() -> bool:
    """Whether this process shall say why it failed: the first that does, whichever it is."""
    if "torch.distributed" not in sys.modules:
        return is_first_process()
    from supcon_ext.losses.gather import world_size

    if world_size() == 1:
        return is_first_process()
    from supcon_ext.experiment.processes import first_to_fail

    if not first_to_fail():
        return False
    speak_up()
    return True

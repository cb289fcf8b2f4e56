"""Asking a selector whom it believes, and looking at the answer before anything follows it."""

from __future__ import annotations

from typing import Any

from data_tools.border import check_array, check_type, refuse
from data_tools.registry import part_name
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection


def ask(selector: PositiveSelector, bank: SampleBank, epoch: int) -> Selection | None:
    """What a selector says of every sample of the bank; None where it says nothing.

    Raises:
        ValueError: It is no selection of these samples.
    """
    return checked_selection(part_name("selector", selector), selector.refresh(bank, epoch), bank)


def checked_selection(part: str, made: Any, bank: SampleBank) -> Selection | None:
    """A selection that fits the bank it was made of.

    Args:
        part: Family and name of who made it.
        made: What it returned.
        bank: N samples of C classes.

    Raises:
        ValueError: It is something else, or has another shape, type or range.
    """
    if made is None:
        return None
    check_type(part, "a selection", made, Selection, "Selection.of(bank.label, trust), or None")
    rows = (len(bank),)
    check_array(part, "trust", made.trust, rows, ("float",))
    check_array(part, "labels", made.label, rows, ("int",))
    check_array(part, "roles", made.role, rows, ("int",))
    if made.score is not None:
        check_array(part, "scores", made.score, rows, ("float",))
    if made.posterior is not None:
        check_array(part, "the posterior", made.posterior, (len(bank), bank.classes), ("float",))
    if bool(((made.trust < 0) | (made.trust > 1)).any()):
        low, high = float(made.trust.min()), float(made.trust.max())
        raise refuse(part, "trust in [0, 1]", f"{low:.3g} to {high:.3g}", "put scores in `score`")
    if bool(((made.label < -1) | (made.label >= bank.classes)).any()):
        low, high = int(made.label.min()), int(made.label.max())
        raise refuse(part, f"labels in [0, {bank.classes}), -1 unknown", f"{low} to {high}")
    selection: Selection = made
    return selection

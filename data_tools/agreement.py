"""Files that are read as they are stored must be of one kind: channels, type and range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from data_tools.image_facts import Facts
from data_tools.image_files import disagreement


def agreed(facts: Mapping[str, Facts], scale: float | None, notes: list[str]) -> dict[str, Facts]:
    """What is known of the files of one set, with those called bad that do not go with the rest.

    All must have the channels and the type that most have. Floats must be in [0, 1], unless a scale
    says what they mean; then what lies outside of it is cut off, which is noted.

    Args:
        facts: By path.
        scale: The stored value that stands for 1, as declared.
        notes: Takes a line on what is cut off.
    """
    kinds = Counter((one.channels, one.depth) for one in facts.values() if not one.reason)
    if not kinds:
        return dict(facts)
    usual = kinds.most_common(1)[0][0]
    made, cut = {}, 0
    for path, one in facts.items():
        reason = one.reason
        if not reason and (one.channels, one.depth) != usual:
            reason = disagreement((one.channels, one.depth), usual)
        elif not reason and not (one.low >= 0 and one.high <= (scale or 1)):
            cut += scale is not None
            if scale is None:
                reason = (
                    f"its floats go from {one.low:.4g} to {one.high:.4g}, not from 0 to 1; "
                    "`data.dataset.scale` says which value stands for 1"
                )
        made[path] = one if reason == one.reason else replace(one, reason=reason)
    if cut:
        notes.append(f"floats outside of 0 to {scale:g} are cut off: {cut:,} files")
    return made

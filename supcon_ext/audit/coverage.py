"""Which samples of a run's data an audit lists, and which it does not."""

from __future__ import annotations

from collections.abc import Collection

from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.experiment.open import OpenedRun

SPLITS = ("train", "validation", "test")


def check_splits(samples: AuditedSamples, splits: Collection[str]) -> None:
    """Refuse splits of which the data has none.

    Args:
        samples: All of the run's.
        splits: Those to list.

    Raises:
        ValueError: The data has no sample in any of them.
    """
    there = [name for name, part in samples.named_parts.items() if len(part)]
    if not set(splits) & set(there):
        raise ValueError(
            f"Expected a split that the data has, {' or '.join(there)}, but got "
            f"{' and '.join(splits)}. Try: --split {there[-1]}"
        )


def left_out(opened: OpenedRun, samples: AuditedSamples, splits: Collection[str]) -> list[str]:
    """A few words on each part of the data set that is not listed, with its size.

    Args:
        opened: The run.
        samples: All of its samples.
        splits: Those that are listed.
    """
    sizes = {name: len(part) for name, part in samples.named_parts.items()}
    told = [
        f"{size:,} of the {name} split (not asked for)"
        for name, size in sizes.items()
        if name not in splits and size
    ]
    origin = samples.train.origin
    if origin is not None and (dropped := origin.size - samples.from_training):
        told.append(f"{dropped:,} that the recipe's imbalance drops")
    bad = opened.data.labels.settings.get("made", {}).get("left_out", {})
    if unread := sum(map(len, bad.values())):
        told.append(f"{unread:,} that cannot be read")
    if opened.data.synthetic is not None:
        told.append(f"{len(opened.data.synthetic):,} synthetic")
    return told

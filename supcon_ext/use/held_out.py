"""A test split for data that come without one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from data_tools.arguments import check_between
from data_tools.datasets.base import Splits
from data_tools.validation import stratified_holdout

SHARE = 0.2
SEED = 0


@dataclass(frozen=True)
class HeldOut:
    """What was set aside.

    Attributes:
        count: Samples.
        share: Of each class.
        seed: Of the draw.
    """

    count: int
    share: float
    seed: int

    def __str__(self) -> str:
        return (
            f"no test split: {self.count:,} samples, {self.share:.0%} of each class, are set aside "
            f"for it (seed {self.seed})"
        )


def with_test(source: Splits, share: float | None, usual: float) -> tuple[Splits, HeldOut | None]:
    """The data with a test split: their own, or a share of each class of training.

    Folders are parted as the data set ``image_folder`` parts them.

    Args:
        source: As they come.
        share: What the user asked for; None for nothing.
        usual: Share where nothing was asked for, of data that have neither test nor validation.

    Raises:
        ValueError: Data with a test split are to be given another, the share is out of bounds, or
            nothing of it remains.
    """
    if share is not None:
        check_between("test", share, 0.01, 0.99, "0.2")
        if source.test is not None:
            raise ValueError(
                f"Expected no share for the test (--test {share:g}) beside data with a test split "
                f"of {len(source.test):,} samples. Try: without it"
            )
    elif source.test is not None or source.validation is not None or not usual:
        return source, None
    share = usual if share is None else share
    whole = source.train
    kept, held = stratified_holdout(whole.label, share=share, seed=SEED)
    if not len(held) or not len(kept):
        raise ValueError(
            f"Expected samples enough to set {share:.0%} of each class aside for a test, but got "
            f"{len(whole):,} of {len(whole.classes):,} classes. Try: --test 0.5, or more samples"
        )
    parted = replace(source, train=whole.take(kept), test=whole.take(held))
    return parted, HeldOut(len(held), share, SEED)

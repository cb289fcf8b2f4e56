"""Where synthetic samples come from: the base of all sources, and the registry that knows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np

from data_tools.border import check_type, refuse
from data_tools.prepared import PreparedData
from data_tools.registry import Part, Registry, part_name
from data_tools.synthetic_set import UNKNOWN, SyntheticSet
from supcon_ext.synthetic.filter import SyntheticFilter
from supcon_ext.synthetic.report import SyntheticReport

Progress = Callable[[int, int], None]
"""Told how many of how many are done."""


class Inspected(NamedTuple):
    """What a source gives, and what was found in it.

    Attributes:
        samples: The samples that can be used; None where the report refuses the source.
        report: What was found.
    """

    samples: SyntheticSet | None
    report: SyntheticReport


class SyntheticSource(ABC):
    """Gives synthetic samples that stand beside a prepared real data set.

    Ten lines make one::

        @synthetic_source("inverted")
        class Inverted(SyntheticSource):
            \"\"\"The negative of every training image.\"\"\"

            def make(self, real, seed, progress=None):
                train = real.train
                images = [255 - train[place] for place in range(len(train))]
                return SyntheticSet.of(
                    images,
                    train.spec,
                    train.classes,
                    label=train.label,
                    parent=np.arange(len(train)),
                )

    ``filters`` and ``trust`` are keys of every source in a recipe, whatever its ``__init__`` takes;
    in Python they are attributes to set.

    Attributes:
        filters: What sifts the samples, in order: names, or ``{kind: NAME, parameter: value}``.
        trust: An audit's ``labels.csv``, a table or ``.npz`` with ``index`` and ``trust``, or a run
            on the same data: filters and generators are fitted on real samples that it trusts above
            0.5 alone. None trusts all.
    """

    filters: list[Annotated[SyntheticFilter | str, Part("synthetic_filter")]] = []  # noqa: RUF012 - never changed
    trust: str | None = None

    @abstractmethod
    def make(self, real: PreparedData, seed: int, progress: Progress | None = None) -> SyntheticSet:
        """The samples.

        Args:
            real: What they stand beside: their classes, kind and parents are those of ``train``.
                Nothing may be fitted on ``validation`` or ``test``.
            seed: Decides every draw: the same samples for the same seed, in any process.
            progress: Told how far it is.

        Raises:
            ValueError: There are none that can be used.
        """

    def inspect(self, real: PreparedData, seed: int, progress: Progress | None = None) -> Inspected:
        """The samples with a report. A source that reads what others made overrides this."""
        made = made_by(self, real, seed, progress)
        return Inspected(made, report_of(part_name("synthetic_source", self), len(made), made))


def made_by(
    source: SyntheticSource, real: PreparedData, seed: int, progress: Progress | None = None
) -> SyntheticSet:
    """What a source makes, looked at where it enters.

    Raises:
        ValueError: It does not go with the real data set.
    """
    made = source.make(real, seed, progress)
    name, train = part_name("synthetic_source", source), real.train
    check_type(name, "what is made", made, SyntheticSet, "SyntheticSet.of(samples, ...)")
    if made.classes != train.classes:
        expected = f"the {len(train.classes)} classes of the real data set, in their order"
        raise refuse(name, expected, f"{len(made.classes)} others")
    ours, theirs = (
        (spec.kind, spec.channels, spec.dtype, spec.scale) for spec in (train.spec, made.spec)
    )
    if ours != theirs:
        raise refuse(name, f"samples as the real ones are, {train.spec}", f"{made.spec}")
    if len(made) and int(made.parent.max()) >= len(train):
        expected = f"parents among the {len(train)} real training samples"
        raise refuse(name, expected, f"{int(made.parent.max())}")
    return made


def report_of(name: str, listed: int, made: SyntheticSet) -> SyntheticReport:
    """What can be said of any samples: how many there are of what."""
    counts = np.bincount(made.label[made.label != UNKNOWN], minlength=len(made.classes))
    return SyntheticReport(
        source=name,
        listed=listed,
        used=len(made),
        captions=len(np.unique(made.caption[made.caption != UNKNOWN])),
        classes={made.classes[place]: int(counts[place]) for place in np.flatnonzero(counts)},
        parents=int((made.parent != UNKNOWN).sum()),
    )


synthetic_source = Registry[SyntheticSource](
    "synthetic_source",
    "supcon_ext.synthetic.sources",
    common=("filters", "trust"),
    base=SyntheticSource,
)

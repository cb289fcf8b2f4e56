"""A data set looked over before it is used: bad files, equal pictures, classes without images."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np

from data_tools.agreement import agreed
from data_tools.bad_list import BAD_LIST, told_briefly, write_bad_list
from data_tools.datasets.base import Splits
from data_tools.duplicates import Listed, find_duplicates
from data_tools.empty_classes import EmptyClasses, settle_empty_classes
from data_tools.image_check import Told, check_files
from data_tools.image_facts import Facts
from data_tools.image_files import ImageFiles
from data_tools.input_spec import Depth
from data_tools.picture import Mode
from data_tools.samples import SampleSet, Subset

logger = logging.getLogger(__name__)

LeftOut = Mapping[str, list[int]]
"""By split, the places of the images that are left out, in the data set as it came."""

FLIPS = (
    "views may mirror these images, which makes other digits, letters and signs of them: "
    "`data.dataset.flips=false` turns it off"
)


@dataclass(frozen=True)
class CheckRules:
    """What is looked for, and what happens when it is found.

    Attributes:
        bad_images: ``error`` refuses the data set; ``skip`` leaves the files out.
        decode: Whether every file is decoded, not only its header and end looked at.
        duplicates: ``error`` refuses equal pictures; ``ignore`` does not look for them.
        empty_classes: See :func:`~data_tools.empty_classes.settle_empty_classes`.
        bad_list: File that takes the list of all bad files, a CSV with columns path and reason.
        skip_hint: How the user says that bad files are to be left out.
    """

    bad_images: Literal["error", "skip"] = "error"
    decode: bool = False
    duplicates: Literal["warn", "error", "ignore"] = "warn"
    empty_classes: EmptyClasses = "error"
    bad_list: str = BAD_LIST
    skip_hint: str = "`data.bad_images: skip`"


@dataclass
class SourceReport:
    """What was found.

    Attributes:
        files: Distinct files; 0 where the images are no files.
        bad: Path and reason of each bad file.
        bad_list: Where the whole list of them is, or None where there are none.
        left_out: The images that are left out.
        notes: A line on each other thing worth knowing.
        formats: Files by format.
        pixels: Files by type of pixels, in Pillow's words.
        sides: Smallest and largest width and height, or None.
        turned: Files whose EXIF orientation is applied.
        frames: Files with several frames, of which the first is read.
        first: Whether nothing was known of these files before.
        duplicates: A line for each kind of equal pictures.
    """

    files: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    bad_list: str | None = None
    left_out: dict[str, list[int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    pixels: dict[str, int] = field(default_factory=dict)
    sides: tuple[tuple[int, int], tuple[int, int]] | None = None
    turned: int = 0
    frames: int = 0
    first: bool = False
    duplicates: list[str] = field(default_factory=list)


def check_source(
    source: Splits,
    rules: CheckRules,
    *,
    left_out: LeftOut | None = None,
    progress: Told | None = None,
) -> tuple[Splits, SourceReport]:
    """Look a data set over, and leave out of it what its rules say.

    Where images are no files there is nothing to read: only empty classes are looked for.

    Args:
        source: The data set as it comes.
        rules: What happens with what is found.
        left_out: The images that were left out before, where a run goes on: these and no others
            are left out again, whatever has happened to the files since.
        progress: Told how far the check of the files is.

    Returns:
        The data set to use, and what was found.

    Raises:
        ValueError: Something was found that the rules refuse. The message says what, and where
            the whole list is.
    """
    report = SourceReport()
    parts = {"train": source.train, "validation": source.validation, "test": source.test}
    held = {
        split: found
        for split, part in parts.items()
        if part is not None and (found := files_of(part)) is not None
    }
    facts = _look(held, rules, report, progress)
    if facts:
        _describe(facts, report)
        if source.train.spec.flips:
            report.notes.append(FLIPS)
        source = _described(source, held)
        bad = {path for path, one in facts.items() if one.reason}
        chosen = _chosen(held, bad, left_out)
        if bad:
            _settle_bad(rules, report, going_on=left_out is not None)
        source = _only(source, chosen)
        report.left_out = {
            split: np.flatnonzero(~keep).tolist()
            for split, keep in chosen.items()
            if not keep.all()
        }
        if rules.duplicates != "ignore":
            report.duplicates = find_duplicates(_entries(source, facts))
            _settle_duplicates(rules, report)
    source, lines = settle_empty_classes(source, rules.empty_classes)
    for line in [*(report.notes if report.first else []), *lines]:
        logger.warning("%s", line)
    report.notes += lines
    return source, report


def files_of(part: SampleSet) -> tuple[ImageFiles, list[str]] | None:
    """The files of a split: their reader, and the path of each image."""
    samples = part.samples
    if isinstance(samples, ImageFiles):
        return samples, samples.paths
    if isinstance(samples, Subset) and isinstance(samples.samples, ImageFiles):
        files = samples.samples
        return files, [files.paths[i] for i in samples.index]
    return None


def _look(
    held: Mapping[str, tuple[ImageFiles, list[str]]],
    rules: CheckRules,
    report: SourceReport,
    progress: Told | None,
) -> dict[str, Facts]:
    """Facts of all files, checked together where they are read in one way."""
    facts: dict[str, Facts] = {}
    ways: dict[tuple[Mode, str | None, float | None], list[str]] = {}
    for files, paths in held.values():
        files.skip_bad = rules.bad_images == "skip"
        ways.setdefault((files.mode, files.inside, files.scale), []).extend(paths)
    for (mode, inside, scale), paths in ways.items():
        checked = check_files(
            paths,
            mode,
            inside=inside,
            decode=rules.decode,
            hashes=rules.duplicates != "ignore",
            progress=progress,
        )
        facts |= agreed(checked.facts, scale, report.notes) if mode == "stored" else checked.facts
        report.first |= checked.first
    for files, paths in held.values():
        good = [facts[path] for path in paths if not facts[path].reason]
        if files.mode == "stored" and good:
            files.expected = good[0].channels, cast(Depth, good[0].depth)
    return facts


def _described(source: Splits, held: Mapping[str, tuple[ImageFiles, list[str]]]) -> Splits:
    """The data set with what the check found that its pictures are."""

    def described(split: str, part: SampleSet) -> SampleSet:
        if split not in held or held[split][0].mode != "stored":
            return part
        return replace(part, spec=held[split][0].spec(part.spec.flips))

    test, validation = source.test, source.validation
    return replace(
        source,
        train=described("train", source.train),
        test=None if test is None else described("test", test),
        validation=None if validation is None else described("validation", validation),
    )


def _describe(facts: Mapping[str, Facts], report: SourceReport) -> None:
    good = [one for one in facts.values() if not one.reason]
    report.files = len(facts)
    report.bad = [(path, one.reason) for path, one in facts.items() if one.reason]
    report.formats = dict(Counter(one.format for one in good).most_common())
    report.pixels = dict(Counter(one.pixels for one in good).most_common())
    report.turned = sum(one.turned for one in good)
    report.frames = sum(one.frames for one in good)
    if good:
        widths, heights = [one.width for one in good], [one.height for one in good]
        report.sides = (min(widths), max(widths)), (min(heights), max(heights))
    if report.turned:
        report.notes.append(f"turned upright, as their EXIF says: {report.turned:,} files")
    if report.frames:
        report.notes.append(f"several frames, of which the first is read: {report.frames:,} files")
    deep = sum(one.pixels.startswith(("I", "F")) for one in good)
    if deep:
        report.notes.append(
            "more than 8 bits a pixel, brought to 8 by their type's range (floats from [0, 1]): "
            f"{deep:,} files; `data.dataset.mode=stored` keeps them"
        )


def _chosen(
    held: Mapping[str, tuple[ImageFiles, list[str]]], bad: set[str], left_out: LeftOut | None
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """By split, which images are used."""
    chosen = {}
    for split, (_, paths) in held.items():
        keep = np.ones(len(paths), dtype=bool)
        if left_out is None:
            keep[:] = [path not in bad for path in paths]
        else:
            keep[left_out.get(split, [])] = False
        chosen[split] = keep
    return chosen


def _only(
    source: Splits, chosen: Mapping[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]
) -> Splits:
    def taken(split: str, part: SampleSet | None) -> SampleSet | None:
        keep = chosen.get(split)
        if part is None or keep is None or keep.all():
            return part
        return part.take(np.flatnonzero(keep)) if keep.any() else None

    train = taken("train", source.train)
    if train is None:
        raise ValueError("Expected a training image that can be read, but all are bad.")
    return replace(
        source,
        train=train,
        test=taken("test", source.test),
        validation=taken("validation", source.validation),
    )


def _settle_bad(rules: CheckRules, report: SourceReport, going_on: bool) -> None:
    place = write_bad_list(report.bad, rules.bad_list)
    report.bad_list = str(place)
    one = len(report.bad) == 1
    count = f"{len(report.bad):,} of {report.files:,} image files {'is' if one else 'are'} bad"
    listed = told_briefly(report.bad, place)
    if rules.bad_images == "error":
        raise ValueError(
            f"Expected image files that can be read, but {count}.\n{listed}\n"
            f"Try: mend or remove them, or {rules.skip_hint} to leave them out."
        )
    fate = "not used, as far as they were when the run began" if going_on else "left out"
    logger.warning("%s and %s:\n%s", count, fate, listed)


def _entries(source: Splits, facts: Mapping[str, Facts]) -> list[Listed]:
    parts = {"train": source.train, "validation": source.validation, "test": source.test}
    entries = []
    for split, part in parts.items():
        found = None if part is None else files_of(part)
        if part is None or found is None:
            continue
        for path, label in zip(found[1], part.label.tolist(), strict=True):
            if facts[path].content:
                entries.append(Listed(split, path, part.classes[label], facts[path].content))
    return entries


def _settle_duplicates(rules: CheckRules, report: SourceReport) -> None:
    if not report.duplicates:
        return
    listed = "\n".join(f"  {line}" for line in report.duplicates)
    if rules.duplicates == "error":
        raise ValueError(
            f"Expected different pictures, but some are equal, byte for byte:\n{listed}\n"
            "Try: remove the copies, or `data.duplicates: warn` or `ignore`."
        )
    for line in report.duplicates:
        logger.warning("%s", line)

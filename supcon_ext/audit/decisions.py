"""What people decided of given labels: the file that the audit's page gives, read back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.labels_file import JUDGED
from data_tools.plain_text import read_text
from data_tools.printable import printable
from data_tools.samples import IntArray
from supcon_ext.audit.samples import AuditedSamples

FORMAT, VERSION = "supcon-decisions", 1
KEEP, RELABEL, UNUSABLE = "keep", "relabel", "unusable"
DECISIONS = (KEEP, RELABEL, UNUSABLE)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decisions:
    """What people decided of N samples.

    Attributes:
        what: ``(N,)`` one of :data:`DECISIONS`, or empty where nothing was decided.
        label: ``(N,)`` int64 label after the decisions: the given one, or another.
    """

    what: npt.NDArray[np.str_]
    label: IntArray

    @property
    def count(self) -> int:
        """On how many samples something was decided."""
        return int((self.what != "").sum())

    def are(self, decision: str) -> Mask:
        """``(N,)`` bool, of which samples this was decided."""
        found: Mask = self.what == decision
        return found


def samples_fingerprint(samples: AuditedSamples) -> str:
    """SHA-256 over the classes, and where each sample stands, what it is called, and its label.

    It does not depend on which training samples are held out for validation.

    Args:
        samples: All of a run's.
    """
    digest = hashlib.sha256(json.dumps([printable(name) for name in samples.classes]).encode())
    names, label = samples.names(), samples.label.tolist()
    for key, i in sorted(_places(samples).items()):
        line = f"\n{key[0]} {key[1]} {label[i]} {printable(names[i])}"
        digest.update(line.encode())
    return digest.hexdigest()


def sample_keys(samples: AuditedSamples) -> list[tuple[str, int]]:
    """Of each sample, the set that it was shipped in, and its place there.

    These stay whichever training samples a run holds out for validation.
    """
    count, split, index = samples.from_training, samples.split, samples.index.tolist()
    return [("train" if i < count else split[i], index[i]) for i in range(len(samples))]


def decision_entry(samples: AuditedSamples) -> Callable[[int, str, int], dict[str, Any]]:
    """What makes the entry of a file of decisions, of a sample, a decision, and a label."""
    keys, paths, given = sample_keys(samples), samples.paths, samples.label
    classes = [printable(name) for name in samples.classes]

    def entry(number: int, decision: str, label: int) -> dict[str, Any]:
        made: dict[str, Any] = {"set": keys[number][0], "index": keys[number][1]}
        if paths is not None:
            made["path"] = printable(paths[number])
        made |= {"given": classes[given[number]], "decision": decision}
        return made | ({"label": classes[label]} if decision == RELABEL else {})

    return entry


def _places(samples: AuditedSamples) -> dict[tuple[str, int], int]:
    return {key: i for i, key in enumerate(sample_keys(samples))}


def read_decisions(file: Path, samples: AuditedSamples) -> Decisions:
    """Read what people decided.

    Args:
        file: JSON with ``format``, ``version``, the ``fingerprint`` of the data, and ``decisions``:
            a list of objects with ``set``, ``index``, ``path`` if it has one, ``given`` label,
            ``decision``, and the new ``label`` where that is ``relabel``.
        samples: All samples of the run.

    Raises:
        ValueError: The file is no such file, is of other data, or names a sample, a class or a
            decision that there is not.
    """
    entries, found = read_entries(file)
    own = samples_fingerprint(samples)
    if found != own:
        raise ValueError(
            f"Expected decisions on this data ({own[:12]}) in {file}, but got those on other "
            f"pictures or labels ({printable(found)[:12]}). Try: the run that they were made on"
        )
    places, names = _places(samples), samples.names()
    paths = samples.paths is not None
    classes = {printable(name): number for number, name in enumerate(samples.classes)}
    label = samples.label
    what = np.full(len(samples), "", dtype="<U8")
    after = label.copy()
    for number, entry in enumerate(entries, start=1):
        told = _Entry(file, number, entry)
        place = places.get(told.key(), -1)
        if place < 0 or (paths and entry.get("path") != printable(names[place])):
            named = entry.get("path", "{} {}".format(*told.key()))
            raise told.wrong("a sample of the data", named, "the file as the page gave it")
        if entry.get("given") != printable(samples.classes[label[place]]):
            expected = f"the given label {printable(samples.classes[label[place]])}"
            raise told.wrong(expected, entry.get("given"), "the file as the page gave it")
        if what[place]:
            raise told.wrong("another sample in each entry", "one again", "one decision on each")
        what[place] = told.decision()
        if what[place] == RELABEL:
            name = entry.get("label")
            if not isinstance(name, str) or name not in classes:
                raise told.wrong("a class of the data as new `label`", name, ", ".join(classes))
            after[place] = classes[name]
    return Decisions(what, after)


def read_entries(file: Path) -> tuple[list[dict[str, Any]], str]:
    """The entries of a file of decisions, and the fingerprint of the data that they are on.

    Raises:
        ValueError: It is no such file, or of another version.
    """
    if not file.is_file():
        raise ValueError(f"Expected a file of decisions, but {file} does not exist.")
    text = read_text(file)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Expected decisions that the audit's page gave in {file}, but it is no JSON: "
            f"{printable(error)}. Try: the page's button `Export decisions`"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(
            f"Expected decisions that the audit's page gave in {file}, but it holds something "
            "else. Try: the page's button `Export decisions`"
        )
    if content.get("version") != VERSION:
        raise ValueError(
            f"Expected version {VERSION} of decisions in {file}, but got "
            f"{printable(content.get('version'))}. Try: a page made by this version"
        )
    entries, found = content.get("decisions"), content.get("fingerprint")
    if not isinstance(found, str) or not isinstance(entries, list):
        raise ValueError(
            f"Expected a `fingerprint` and a list of `decisions` in {file}, but one is missing. "
            "Try: the page's button `Export decisions`"
        )
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise ValueError(
                f"Expected an object in entry {number} of {file}, but got something else. "
                "Try: the file as the page gave it"
            )
    return entries, found


@dataclass(frozen=True)
class _Entry:
    file: Path
    number: int
    content: dict[str, Any]

    def wrong(self, expected: str, got: object, hint: str) -> ValueError:
        shown = printable("nothing" if got is None else got)
        return ValueError(
            f"Expected {expected} in entry {self.number} of {self.file}, but got "
            f"{shown[:200]}. Try: {printable(hint)[:300]}"
        )

    def key(self) -> tuple[str, int]:
        name, index = self.content.get("set"), self.content.get("index")
        if not isinstance(name, str) or not isinstance(index, int) or isinstance(index, bool):
            got = f"{name!r} and {index!r}"
            raise self.wrong("a `set` and an `index`", got, "the file as the page gave it")
        return name, index

    def decision(self) -> str:
        decision = self.content.get("decision")
        if decision not in DECISIONS:
            raise self.wrong("a decision", decision, ", ".join(DECISIONS))
        return str(decision)


def judged_before(samples: AuditedSamples) -> npt.NDArray[np.str_]:
    """``(N,)`` text of the data's column ``judged``, empty where there is none.

    It comes of a manifest or of a file of corrected labels, as an audit writes them.
    """
    columns = [part.columns.get(JUDGED, np.full(len(part), "")) for part in samples.parts]
    return np.concatenate([column.astype(str) for column in columns])

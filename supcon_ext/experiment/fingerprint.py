"""What decides a run's numbers, written down at its start and compared when it goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from data_tools.whole_file import write_whole
from supcon_ext.experiment.cannot_start import CannotStart
from supcon_ext.experiment.folder import FINGERPRINT, RECIPE
from supcon_ext.plugin_sources import code_digest, plugin_digests
from supcon_ext.recipe.resolved import deciding, leaves, resolve
from supcon_ext.recipe.schema import Recipe

ACCEPTABLE = ("recipe", "code", "plugins", "packages", "accelerator")
"""Differences that may be accepted. Other data or another number of processes never: what a
checkpoint holds would not fit."""
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "albumentations",
    "pillow",
    "tifffile",
    "scikit-learn",
    "timm",
)
_DATA = "images, labels or their settings"
_ABSENT = object()
LONGEST = 100
"""Characters of a list that a message shows."""


@dataclass(frozen=True)
class Fingerprint:
    """What decides the numbers of a run.

    Attributes:
        recipe: The resolved recipe.
        data: Fingerprint of the made data set.
        code: Digest of this package's source code.
        plugins: Digest of each module outside it that the recipe's parts are from.
        packages: Versions of the packages that compute.
        accelerator: The kind of device.
        processes: How many.
        threads: Of each process; put back when the run goes on.
        accepted: Differences that were accepted by name, in words.
        statistics: Mean and std of each channel, which the views are normalised by.
        weights: SHA-256 of the encoder's first weights; empty where they were drawn.
    """

    recipe: Mapping[str, Any]
    data: str
    code: str
    plugins: Mapping[str, str]
    packages: Mapping[str, str]
    accelerator: str
    processes: int
    threads: int
    accepted: tuple[str, ...] = ()
    statistics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    weights: str = ""

    @classmethod
    def take(
        cls,
        recipe: Recipe,
        data: str,
        accelerator: str,
        processes: int,
        threads: int,
        statistics: Mapping[str, Sequence[float]],
        weights: str = "",
    ) -> Fingerprint:
        """The fingerprint of what is there now."""
        return cls(
            recipe=resolve(recipe),
            data=data,
            code=code_digest(),
            plugins=plugin_digests(recipe),
            packages=deciding_packages(),
            accelerator=accelerator,
            processes=processes,
            threads=threads,
            statistics={name: list(values) for name, values in statistics.items()},
            weights=weights,
        )

    def differences(self, now: Fingerprint) -> list[tuple[str, str]]:
        """Name and words of everything that is not as it was; threads are no difference."""
        own = "the source code of supcon_ext"
        pairs: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
            ("recipe", leaves(deciding(self.recipe)), leaves(deciding(now.recipe))),
            ("data", {_DATA: self.data}, {_DATA: now.data}),
            ("data", self.statistics, now.statistics if self.statistics else {}),
            ("weights", {"first weights": self.weights}, {"first weights": now.weights}),
            ("code", {own: self.code}, {own: now.code}),
            ("plugins", self.plugins, now.plugins),
            ("packages", self.packages, now.packages),
            ("accelerator", {"device": self.accelerator}, {"device": now.accelerator}),
            ("processes", {"number": self.processes}, {"number": now.processes}),
        ]
        return [
            (name, f"{name}: {what} was {_shown(before.get(what))}, is {_shown(after.get(what))}")
            for name, before, after in pairs
            for what in dict.fromkeys([*before, *after])
            if before.get(what, _ABSENT) != after.get(what, _ABSENT)
        ]

    def accept(self, now: Fingerprint, names: Sequence[str], folder: Path) -> Fingerprint:
        """What holds from now on.

        Args:
            now: What is there now.
            names: What may differ; see :data:`ACCEPTABLE`.
            folder: The run's, for the message.

        Raises:
            CannotStart: Something else differs; one line for each.
        """
        found = self.differences(now)
        refused = [(name, line) for name, line in found if name not in names]
        if refused:
            differing = dict.fromkeys(name for name, _ in refused)
            flags = " ".join(f"--accept {name}" for name in differing if name in ACCEPTABLE)
            again = f"supcon run {folder / RECIPE}, a run of its own"
            go_on = f"undo that; or supcon resume {folder} {flags}, which records it; or {again}"
            if not all(name in ACCEPTABLE for name in differing):
                go_on = f"undo that; or {again}"
            lines = "\n".join(f"  {line}" for _, line in refused)
            raise CannotStart(
                f"Expected what {folder} was started with, so that its numbers are of one piece, "
                f"but something has changed since:\n{lines}\nTry: {go_on}"
            )
        accepted = (*self.accepted, *(line for _, line in found))
        return dataclasses.replace(now, threads=self.threads, accepted=accepted)


def made_by_this_code(folder: Path, recipe: Recipe) -> bool:
    """Whether a run was made by this package's and its plug-ins' sources as they are now."""
    try:
        made = Record.of_json((folder / FINGERPRINT).read_text(encoding="utf-8")).fingerprint
    except (OSError, ValueError):
        return False
    return made.code == code_digest() and made.plugins == plugin_digests(recipe)


def deciding_packages() -> dict[str, str]:
    """Versions of the packages that compute something in a run."""
    import cv2

    versions = {"opencv": str(cv2.__version__)}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@dataclass(frozen=True)
class Record:
    """What ``fingerprint.json`` holds; every checkpoint has it too.

    Attributes:
        identity: What MLflow knows the run by; see :meth:`Tracker.identity`.
        tags: The tags that the run was started with.
        fingerprint: What decides its numbers.
    """

    identity: Mapping[str, Any]
    tags: Mapping[str, str]
    fingerprint: Fingerprint

    @property
    def journal_id(self) -> str:
        """Tells the run from every other."""
        return str(self.identity["journal_id"])

    def to_json(self) -> str:
        """One JSON object with the digest of its content."""
        content = dataclasses.asdict(self)
        return json.dumps({"content": content, "sha256": _digest(content)}, indent=1) + "\n"

    @classmethod
    def of_json(cls, text: str) -> Record:
        """Read what :meth:`to_json` gave.

        Raises:
            ValueError: It is damaged.
        """
        try:
            file = json.loads(text)
            content = file["content"]
            if _digest(content) != file["sha256"]:
                raise ValueError("its digest is not that of its content")
            made = content["fingerprint"]
            fingerprint = Fingerprint(**{**made, "accepted": tuple(made["accepted"])})
            return cls(content["identity"], content["tags"], fingerprint)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"Expected a run's fingerprint, but got {error!r}") from error

    def write(self, folder: Path) -> None:
        """Write ``fingerprint.json``."""
        write_whole(folder / FINGERPRINT, self.to_json())


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _shown(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    if isinstance(value, list) and len(text) > LONGEST:  # statistics of each coordinate of vectors
        return f"{text[:LONGEST]}... ({len(value)} numbers)"
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text

"""Pages of audits that nothing was trained for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data_tools.samples import SampleSet
from supcon_ext.audit.decisions import Decisions
from supcon_ext.audit.findings import Findings
from supcon_ext.audit.look_alikes import Alike
from supcon_ext.audit.page import write_page
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import Verdict
from supcon_ext.audit.table import AuditTable
from supcon_ext.progress.console import ConsoleProgress

CLASSES = ("ant", "bee", "cat", "dog")
TRAIN, TEST = 120, 40


@dataclass(frozen=True)
class MadePage:
    path: Path
    table: AuditTable

    @property
    def samples(self) -> AuditedSamples:
        return self.table.samples


def made_page(
    folder: Path,
    *,
    classes: tuple[str, ...] = CLASSES,
    train: int = TRAIN,
    test: int = TEST,
    side: int = 12,
    seed: int = 0,
    decisions: Decisions | None = None,
    top: int | None = None,
) -> MadePage:
    """Three of four labels look wrong, a quarter of the samples is for the test.

    Sample i is given ``i % C`` and suggested the next class, in groups of 24.
    """
    count, number = train + test, len(classes)
    random = np.random.default_rng(seed)
    pixels = np.broadcast_to(
        random.integers(0, 255, (min(count, 50), side, side, 3), dtype=np.uint8)[:, None],
        (min(count, 50), -(-count // 50), side, side, 3),
    ).reshape(-1, side, side, 3)[:count]
    label = np.arange(count) % number
    names = np.array([f"/data/{classes[label[i]]}/{i:06}.png" for i in range(count)], dtype=object)

    def part(begin: int, end: int) -> SampleSet:
        return SampleSet(pixels[begin:end], label[begin:end], classes, {"path": names[begin:end]})

    index = np.r_[np.arange(train), np.arange(test)]
    samples = AuditedSamples(part(0, train), None, index, False, part(train, count))
    place = torch.arange(count)
    near = (place[:, None] + 1 + torch.arange(5)) % train
    verdict = Verdict(
        suspicion=1 - place.double() / count,
        suggested=torch.from_numpy((label + 1) % number),
        confidence=(0.5 + place.double() / (2 * count)),
        flagged=place % 4 != 3,
        disagreeing=near,
    )
    table = AuditTable(samples, verdict, decisions=decisions, agreeing=(near + number) % train)
    flagged = table.flagged()[:top]
    pairs = [[i for i in flagged if label[i] == one] for one in range(number)]
    groups = [pair[at : at + 24] for pair in pairs for at in range(0, len(pair), 24)]
    alike = [
        Alike([3, train + 3], [0, 2], [True, False], False, ("train", "test")),
        Alike([7, 8], [0, 0], [True, True], True, ("train",)),
    ]
    findings = Findings(alike, [11, train + 5], [0.5, 0.25], 0.05)
    path = folder / "index.html"
    write_page(
        path,
        table,
        "Labels of made",
        top,
        "labels.csv",
        ConsoleProgress(),
        findings=findings,
        groups=groups,
    )
    return MadePage(path, table)

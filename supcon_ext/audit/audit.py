"""The audit of a finished run: embed, let neighbours vote, write what was found."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from supcon_ext.audit.correct import Corrections, correct
from supcon_ext.audit.embedding import embed_samples
from supcon_ext.audit.outside_scores import by_scores
from supcon_ext.audit.page import write_page
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import Verdict, suspect
from supcon_ext.audit.table import AuditTable
from supcon_ext.experiment.open import OpenedRun
from supcon_ext.models.network import Outputs
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.selectors.base import SampleBank

CSV = "labels.csv"
PAGE = "index.html"
NEIGHBOURS = 250
TOP = 500
MIN_CONFIDENCE = 0.8


@dataclass(frozen=True)
class AuditResult:
    """What an audit found, and where it is written.

    Attributes:
        table: Every sample.
        csv: The table as a file.
        page: The page with pictures.
        count: Number of samples N.
        flagged: How many of their labels look wrong.
        corrections: What was written with ``apply``, or None.
    """

    table: AuditTable
    csv: Path
    page: Path
    count: int
    flagged: int
    corrections: Corrections | None


def audit(
    opened: OpenedRun,
    progress: ConsoleProgress,
    *,
    out: Path | None = None,
    top: int = TOP,
    neighbours: int = NEIGHBOURS,
    scores: Tensor | None = None,
    apply: Path | None = None,
    min_confidence: float = MIN_CONFIDENCE,
) -> AuditResult:
    """Find the labels of a finished run's data that look wrong, and write them down.

    Only images and given labels are looked at, and nothing is trained.

    Args:
        opened: The run.
        progress: Sees how far it is.
        out: Folder for ``labels.csv`` and ``index.html``; None is ``audit`` in the run's.
        top: Largest number of samples on the page.
        neighbours: K, at most this many vote on a sample.
        scores: ``(N,)`` float64 in [0, 1] of another tool, to order samples by in place of the
            neighbours' votes; NaN for none.
        apply: File for the corrected labels; None writes none.
        min_confidence: Least confidence of a suggestion that is taken into that file.
    """
    folder = opened.folder / "audit" if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    samples = AuditedSamples.of(opened.data)
    began = time.perf_counter()
    progress.note(f"audit of {opened.folder}: {len(samples):,} images, on {opened.device}")
    outputs = embed_samples(opened, samples, progress)
    progress.note(f"embedded in {time.perf_counter() - began:.1f} s; asking the neighbours")
    verdict = ask_neighbours(opened, samples, outputs, neighbours)
    if scores is not None:
        verdict = by_scores(verdict, scores)
    probability = None
    if opened.classifies:
        label = torch.from_numpy(samples.label)
        probability = outputs.logits.softmax(1).gather(1, label[:, None])[:, 0]
    table = AuditTable(samples, verdict, probability, opened.trust)
    table.write_csv(folder / CSV)
    progress.note(f"wrote {folder / CSV}; making pictures")
    title = f"Labels of {opened.folder.name}"
    write_page(folder / PAGE, table, title, top, CSV, progress)
    corrections = None if apply is None else correct(apply, opened, table, min_confidence)
    return AuditResult(
        table=table,
        csv=folder / CSV,
        page=folder / PAGE,
        count=len(samples),
        flagged=int(verdict.flagged.sum()),
        corrections=corrections,
    )


def ask_neighbours(
    opened: OpenedRun, samples: AuditedSamples, outputs: Outputs, neighbours: int
) -> Verdict:
    """What the nearest neighbours by cosine of projections say of every given label.

    Args:
        opened: The run.
        samples: Its samples.
        outputs: Of every sample.
        neighbours: K.
    """
    label = torch.from_numpy(samples.label)
    classes = len(samples.classes)
    bank = SampleBank(
        index=torch.arange(len(label)),
        label=label,
        classes=classes,
        z=outputs.z,
        device=opened.device,
        search=opened.search,
    )
    graph = bank.neighbours(min(neighbours, len(label) - 1))
    return suspect(graph, label, classes)

"""The audit of a finished run: embed, let neighbours vote, write what was found."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data_tools.labels_file import KEPT, RELABELLED
from supcon_ext.audit.class_sizes import Allow, ClassSize, class_sizes
from supcon_ext.audit.correct import Corrections, correct
from supcon_ext.audit.coverage import SPLITS, check_splits, left_out
from supcon_ext.audit.decisions import KEEP, Decisions, judged_before
from supcon_ext.audit.embedding import embed_samples
from supcon_ext.audit.findings import Findings
from supcon_ext.audit.judging_groups import judging_groups
from supcon_ext.audit.look_alikes import find_alike
from supcon_ext.audit.outliers import NEAREST, find_outliers
from supcon_ext.audit.outside_scores import by_scores
from supcon_ext.audit.page import write_page
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.table import AuditTable
from supcon_ext.audit.votes import ask_neighbours, find_neighbours, nearest_agreeing
from supcon_ext.experiment.open import OpenedRun
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.selectors.named_rules import Rule, rules_of
from supcon_ext.selectors.transition import FITS

CSV = "labels.csv"
PAGE = "index.html"
NEIGHBOURS = 250
MIN_CONFIDENCE = 0.8


@dataclass(frozen=True)
class AuditResult:
    """What an audit found, and where it is written.

    Attributes:
        table: Every sample.
        csv: The table as a file.
        page: The page with pictures.
        findings: Duplicates and outliers, which are tables beside it too.
        count: Number of samples that are listed.
        flagged: How many of their labels look wrong.
        left_out: A few words on each part of the data set that is not listed.
        rules: Which classes carry which other label as a rule.
        corrections: What was written with ``apply``, or None.
        sizes: Every class: its samples, how many look wrong, and how many corrections leave.
    """

    table: AuditTable
    csv: Path
    page: Path
    findings: Findings
    count: int
    flagged: int
    left_out: list[str]
    rules: list[Rule]
    corrections: Corrections | None
    sizes: list[ClassSize]

    @property
    def share(self) -> float:
        """Which share of the labels looks wrong."""
        return self.flagged / self.count


def audit(
    opened: OpenedRun,
    progress: ConsoleProgress,
    *,
    out: Path | None = None,
    splits: Collection[str] = SPLITS,
    top: int | None = None,
    neighbours: int = NEIGHBOURS,
    scores: Tensor | None = None,
    decisions: Decisions | None = None,
    apply: Path | None = None,
    min_confidence: float | None = MIN_CONFIDENCE,
    allow: Allow = lambda halved: None,
) -> AuditResult:
    """Find the labels of a finished run's data that look wrong, and write them down.

    Only images and given labels are looked at, and nothing is trained.

    Args:
        opened: The run.
        progress: Sees how far it is.
        out: Folder for ``labels.csv`` and ``index.html``; None is ``audit`` in the run's.
        splits: Which samples are listed, and corrected by suggestions. Those of training and
            validation vote on all, whether they are listed or not; those of the test never vote.
        top: Largest number of labels on the page; None for all that look wrong.
        neighbours: K, at most this many vote on a sample.
        scores: ``(N,)`` float64 in [0, 1] of another tool, to order samples by in place of the
            neighbours' votes; NaN for none.
        decisions: What people decided of all samples; None for nothing. A label that they kept is
            not flagged.
        apply: File for the corrected labels; None writes none.
        min_confidence: Least confidence of a suggestion that is taken into that file; None takes
            none.
        allow: Told, before that file is written, of classes that it would halve.
    """
    folder = opened.folder / "audit" if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    samples = AuditedSamples.of(opened.data)
    began = time.perf_counter()
    check_splits(samples, splits)
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in samples.named_parts.items())
    progress.note(
        f"audit of {opened.folder}: {len(samples):,} images ({sizes}), on {opened.device}"
    )
    outputs = embed_samples(opened, samples, progress)
    progress.note(f"embedded in {time.perf_counter() - began:.1f} s; asking the neighbours")
    graph = find_neighbours(opened, samples, outputs.z, neighbours)
    progress.start_stage("estimating", 1, FITS)
    verdict = ask_neighbours(samples, graph, outputs.features, lambda *done: progress.step())
    if scores is not None:
        verdict = by_scores(verdict, scores)
    kept = np.isin(judged_before(samples), (KEPT, RELABELLED))
    if decisions is not None:
        kept |= decisions.are(KEEP)
    verdict = replace(verdict, flagged=verdict.flagged & torch.from_numpy(~kept))
    probability = None
    if opened.classifies:
        label = torch.from_numpy(samples.label)
        probability = outputs.logits.softmax(1).gather(1, label[:, None])[:, 0]
    agreeing = nearest_agreeing(graph, torch.from_numpy(samples.label))
    table = AuditTable(samples, verdict, probability, opened.trust, splits, decisions, agreeing)
    table.write_csv(folder / CSV)
    listed = table.listed
    alike = find_alike(samples, np.flatnonzero(listed).tolist(), progress)
    closest = find_neighbours(opened, samples, outputs.features, NEAREST)
    findings = Findings.of(alike, find_outliers(closest, samples.voters), listed)
    findings.write(folder, samples)
    progress.note(f"wrote {folder / CSV}; making pictures")
    shown = table.flagged()[:top]
    groups = judging_groups(outputs.features, samples.label, verdict.suggested.numpy(), shown)
    title = f"Labels of {opened.folder.name}"
    rules = rules_of(verdict.transition, samples.classes)
    told = left_out(opened, samples, splits)
    write_page(
        folder / PAGE,
        table,
        title,
        top,
        CSV,
        progress,
        findings=findings,
        groups=groups,
        left_out=told,
        rules=rules,
    )
    corrections = None
    if apply is not None:
        corrections = correct(apply, opened, table, min_confidence, allow)
    return AuditResult(
        table=table,
        csv=folder / CSV,
        page=folder / PAGE,
        findings=findings,
        count=sum(listed),
        flagged=len(table.flagged()),
        left_out=told,
        rules=rules,
        corrections=corrections,
        sizes=class_sizes(table, None if corrections is None else corrections.settled),
    )

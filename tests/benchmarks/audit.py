"""How well wrong labels are found: the audit, witnesses that know no rule, votes alone, cleanlab.

    python -m tests.benchmarks.audit
    python -m tests.benchmarks.audit --first-seed 3 --seeds 7 --factors 10 20 50
    python -m tests.benchmarks.audit --vectors vectors.npz

Handwritten digits as they are, or a file of vectors whose labels are right, cut to a long tail and
given wrong labels; average precision, precision and recall of what is flagged, the share of the
right labels of the three rarest classes that is flagged, of labels flagged with a confidence of
0.8 or more how many are suggested rightly, and in which share of the sets a rule is seen. Mean over
seeds.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict
from torch.nn import functional

from data_tools.vector_file import read_vectors
from supcon_ext.audit.suspicion import suspect
from supcon_ext.audit.two_witnesses import judge
from supcon_ext.selectors.neighbours import nearest_neighbours
from supcon_ext.selectors.two_witnesses import hear

NOISES = ("symmetric", "next class", "drawn class")
RATES = (0.2, 0.4)
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Of cleanlab's regression; the one under which held-out given labels are likeliest."""
MEASURES = ("AP", "precision", "recall", "rare flagged", "sure right", "rule")
Found = tuple[Any, Any, Any, Any, bool]
"""Suspicion, flags, suggestions, confidence; whether a rule is seen."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--factors", type=int, nargs="*", default=[10, 20])
    parser.add_argument("--largest", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.vectors is None:
        x, y = load_digits(return_X_y=True)
    else:
        file = read_vectors(asked.vectors)
        x, y = np.asarray(file.vectors, np.float32), np.asarray(file.label)
    print(f"| factor | noise | rate | by | {' | '.join(MEASURES)} |")
    print("| --- " * (4 + len(MEASURES)) + "|")
    for factor, noise, rate in itertools.product(asked.factors, NOISES, RATES):
        numbers: dict[str, list[list[float]]] = {}
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            rows, given, true = cut(x, y, factor, noise, rate, asked.largest, seed)
            for name, found in answers(rows, given):
                numbers.setdefault(name, []).append(measures(found, given, true))
        for name, seen in numbers.items():
            told = " | ".join(f"{value:.3f}" for value in np.nanmean(np.array(seen), axis=0))
            print(f"| {factor} | {noise} | {rate} | {name} | {told} |", flush=True)


def cut(
    x: Any, y: Any, factor: int, noise: str, rate: float, largest: int, seed: int
) -> tuple[Any, Any, Any]:
    """Samples, given labels, true labels."""
    drawn, classes = np.random.default_rng(seed), int(y.max()) + 1
    size = np.round(largest * factor ** (-np.arange(classes) / (classes - 1))).astype(int)
    kept = np.concatenate(
        [drawn.permutation(np.flatnonzero(y == each))[: size[each]] for each in range(classes)]
    )
    true = y[kept]
    other = drawn.choice(classes, len(true), p=size / size.sum())
    if noise == "next class":
        other = (true + 1) % classes
    elif noise == "drawn class":  # each class to one other, large ones to rare ones too
        target = [np.delete(np.arange(classes), each) for each in range(classes)]
        other = np.array([drawn.choice(several) for several in target])[true]
    return x[kept], np.where(drawn.random(len(true)) < rate, other, true), true


def answers(x: Any, given: Any) -> Iterator[tuple[str, Found]]:
    """What each says."""
    rows, label = torch.as_tensor(x).float(), torch.as_tensor(given)
    classes = int(label.max()) + 1
    graph = nearest_neighbours(functional.normalize(rows, dim=1), min(250, len(rows) - 1))
    verdicts = {
        "votes": suspect(graph, label, classes),
        "audit": judge(graph, rows, label, classes),
    }
    heard = hear(graph, rows, label, classes)
    suggested = torch.where(heard.flagged, heard.p.argmax(1), label)
    confidence = heard.p.gather(1, suggested[:, None])[:, 0]
    blind = (1 - heard.own, heard.flagged, suggested, confidence)
    yield "two witnesses, no rule", (*(part.numpy() for part in blind), False)  # type: ignore[misc]
    for name, told in verdicts.items():
        parts = (told.suspicion, told.flagged, told.suggested, told.confidence)
        seen = told.transition is not None
        yield name, (*(part.numpy() for part in parts), seen)  # type: ignore[misc]
    standard = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
    said = [
        cross_val_predict(
            LogisticRegression(max_iter=300, C=c), standard, given, cv=3, method="predict_proba"
        )
        for c in STRENGTHS
    ]
    p = max(said, key=lambda each: np.log(each[np.arange(len(given)), given] + 1e-12).mean())
    quality = get_label_quality_scores(given, p)
    yield "cleanlab", (1 - quality, find_label_issues(given, p), p.argmax(1), p.max(1), False)


def measures(found: Found, given: Any, true: Any) -> list[float]:
    """The columns of the table."""
    suspicion, flagged, suggested, confidence, rule = found
    wrong = given != true
    rare = np.argsort(np.bincount(true))[:3]
    right = ~wrong & np.isin(true, rare)
    sure = flagged & (confidence >= 0.8)
    return [
        float(average_precision_score(wrong, suspicion)),
        float(wrong[flagged].mean()),
        float(flagged[wrong].mean()),
        float(flagged[right].mean()),
        float((suggested == true)[sure].mean()) if sure.any() else float("nan"),
        float(rule),
    ]


if __name__ == "__main__":
    main()

"""Every selector on banks that say little: ties, constant scores, one class, a class of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from supcon_ext.losses import PairTile, Rows
from supcon_ext.selectors.base import SampleBank, selector
from supcon_ext.selectors.guards import guarded
from tests.selectors.scenes import scene


def ready_made() -> list[str]:
    """Selectors that need no argument."""
    return [
        name
        for name in selector.names()
        if not any(f.is_required() for f in selector.get(name).parameters.model_fields.values())
    ]


def picked(known: SampleBank, rows: torch.Tensor) -> SampleBank:
    """Some samples, of which some may be the same, as a bank of its own."""
    return known.take(rows)


def constant(known: SampleBank) -> SampleBank:
    """Everybody looks alike to the network; the labels stay."""
    first = torch.zeros(len(known), dtype=torch.int64)
    alike = known.take(first)
    loss = torch.full((len(known),), 1.5)
    return replace(alike, label=known.label, truth=known.truth, loss=loss)


BANKS = {
    "ties": picked(scene("balanced 0"), torch.arange(60).repeat_interleave(2)),
    "ties of whole classes": picked(scene("long tail"), torch.arange(50) // 10 * 10),
    "constant": constant(scene("balanced 1")),
    "one class": scene("one class"),
    "one class, constant": constant(scene("one class")),
    "class of one": scene("class of one"),
    "classes of one": picked(scene("balanced 0"), torch.tensor([14, 29, 44, 59])),
    "two samples": picked(scene("balanced 0"), torch.tensor([14, 29])),
}


OPTIONS = [
    {"kind": "bmm", "scaling": "range"},
    {"kind": "confident_pairs", "interpolation": "lower"},
    {"kind": "elr_history", "clip": 1e-4},
    {"kind": "fine", "start": "k_means"},
    {"kind": "gmm", "history": 2},
    {"kind": "knn_agreement", "interpolation": "lower"},
    {"kind": "tcl", "start": "k_means", "per_class": True},
]


@pytest.mark.parametrize("name", [*ready_made(), *OPTIONS], ids=str)
@pytest.mark.parametrize("kind", BANKS)
def test_a_selection_survives(name: str | dict[str, Any], kind: str) -> None:
    """It is finite, the same when made again, and leaves each class one; its pairs are finite."""
    known = BANKS[kind]
    rule, again = (selector.spec(name).build() for _ in range(2))
    made = twin = None
    for _ in range(3):  # for those with a history
        made, twin = rule.refresh(replace(known, graphs={}), 0), again.refresh(known, 0)
    trust = torch.ones(len(known))
    if made is not None and twin is not None:
        assert torch.equal(made.trust, twin.trust) and torch.equal(made.label, twin.label)
        assert made.trust.isfinite().all() and made.ranking.isfinite().all()
        assert (made.trust >= 0).all() and (made.trust <= 1).all()
        safe = guarded(made, known.classes, 1)
        present = torch.bincount(made.label, minlength=known.classes) > 0
        kept = torch.bincount(made.label[safe.trust > 0.5], minlength=known.classes) > 0
        assert torch.equal(kept, present)
        trust = safe.trust
    columns = {"labels": torch.nn.functional.one_hot(known.label, known.classes).float()}
    views = Rows.of(known.need("z"), known.label, trust=trust, columns=columns)
    targets = rule.targets(PairTile(views, views, views.z @ views.z.T)).float()
    assert targets.isfinite().all() and (targets >= 0).all()


BY_LOSS_OR_CLASS = ["bmm", "fine", "gmm", "promix_css", "rolt", "tabasco"]
BY_PREDICTION = ["aum", "elr_history", "forgetting", "jsd", "tcl"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "constant") for name in BY_LOSS_OR_CLASS]
    + [(name, "one class, constant") for name in BY_LOSS_OR_CLASS + BY_PREDICTION],
)
def test_what_says_nothing_keeps_everybody(name: str, kind: str) -> None:
    made = selector.spec(name).build().refresh(BANKS[kind], 0)
    assert made is not None and made.trust.tolist() == [1] * len(BANKS[kind])


@pytest.mark.parametrize("name", [*BY_PREDICTION, "bmm", "fine", "gmm", "rolt", "ssr", "tabasco"])
def test_what_is_alike_fares_alike(name: str) -> None:
    """Each sample comes twice; those that rank a class let the index decide, and are not here."""
    made = selector.spec(name).build().refresh(BANKS["ties"], 0)
    assert made is not None
    assert torch.equal(made.trust[::2] > 0.5, made.trust[1::2] > 0.5)

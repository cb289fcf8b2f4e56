"""Classes that corrections would halve are asked for; classes in doubt as a whole are told."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from data_tools.samples import SampleSet
from supcon_ext.audit import AuditedSamples
from supcon_ext.audit.class_sizes import ClassSize, class_sizes
from supcon_ext.audit.suspicion import Verdict
from supcon_ext.audit.table import AuditTable
from supcon_ext.cli import audit_outcome, main
from supcon_ext.experiment import run
from supcon_ext.experiment.open import open_run
from supcon_ext.recipe import parse_recipe
from tests.audit import decided
from tests.audit.coloured import paint, recipe


@pytest.mark.parametrize(
    ("before", "flagged", "in_doubt"),
    [(20, 10, False), (20, 11, True), (8, 3, False), (8, 4, True), (4, 0, True), (0, 0, True)],
)
def test_a_class_is_in_doubt(before: int, flagged: int, in_doubt: bool) -> None:
    assert ClassSize("a", before, flagged).in_doubt == in_doubt


@pytest.mark.parametrize(
    ("before", "after", "halved"), [(10, 5, True), (10, 6, False), (3, 1, True), (0, 0, False)]
)
def test_a_class_is_halved(before: int, after: int, halved: bool) -> None:
    assert ClassSize("a", before, 0, after).halved == halved
    assert not ClassSize("a", before, 0).halved


def test_only_what_is_listed_is_counted() -> None:
    def part(label: list[int]) -> SampleSet:
        return SampleSet(np.zeros((len(label), 2, 2, 1), np.uint8), np.array(label), ("a", "b"))

    samples = AuditedSamples(part([0, 0, 1]), None, np.arange(5), False, part([1, 1]))
    flagged = torch.tensor([True, False, False, True, False])
    half = torch.full((5,), 0.5, dtype=torch.float64)
    label = torch.from_numpy(samples.label)
    verdict = Verdict(half, label, half, flagged, torch.full((5, 5), -1))
    for splits, expected in (
        (("train", "test"), [ClassSize("a", 2, 1), ClassSize("b", 3, 1)]),
        (("train",), [ClassSize("a", 2, 1), ClassSize("b", 1, 0)]),
    ):
        assert class_sizes(AuditTable(samples, verdict, splits=splits)) == expected


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditedSamples]:
    """A finished run on 60 images, 20 of each colour."""
    folder = tmp_path_factory.mktemp("sizes")
    paint(folder / "images", wrong=0)
    dataset = {"kind": "image_folder", "root": str(folder / "images"), "test": 0.0}
    run(parse_recipe(recipe(dataset)), folder=folder / "run")
    return folder / "run", AuditedSamples.of(open_run(folder / "run").data)


def applied(trained: tuple[Path, AuditedSamples], place: Path, away: int, *more: str) -> Result:
    """Of the blue ones so many are decided to be green, and the labels are written."""
    folder, samples = trained
    blue = np.flatnonzero(samples.label == samples.classes.index("blue"))[:away]
    file = decided.write(place / "d.json", samples, dict.fromkeys(blue.tolist(), "green"))
    options = ["--decisions", str(file), "--apply", str(place / "new.csv"), *more]
    return CliRunner().invoke(main, ["audit", str(folder), "--out", str(place / "a"), *options])


def test_who_cannot_be_asked_is_refused(
    trained: tuple[Path, AuditedSamples], tmp_path: Path
) -> None:
    result = applied(trained, tmp_path, 10)
    assert result.exit_code == 2 and not (tmp_path / "new.csv").exists()
    assert "blue 20 -> 10" in result.stderr and "Try: --yes" in result.stderr
    assert "green" not in result.stderr.split("asked:")[1]  # it grows


@pytest.mark.parametrize("answer", [True, False])
def test_who_is_there_is_asked(
    answer: bool,
    trained: tuple[Path, AuditedSamples],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    def confirm(text: str, **settings: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr(audit_outcome, "sys", SimpleNamespace(stdin=Terminal))
    monkeypatch.setattr("click.confirm", confirm)
    result = applied(trained, tmp_path, 12)
    assert asked == ["Corrections would halve blue 20 -> 8. Write them?"]
    assert result.exit_code == (0 if answer else 2), result.output
    assert (tmp_path / "new.csv").exists() == answer


@pytest.mark.parametrize(("away", "more"), [(10, ["--yes"]), (9, [])])
def test_sizes_before_and_after_are_told(
    away: int, more: list[str], trained: tuple[Path, AuditedSamples], tmp_path: Path
) -> None:
    result = applied(trained, tmp_path, away, *more)
    assert result.exit_code == 0, result.stderr
    assert f"class sizes: blue 20 -> {20 - away}, green 20 -> {20 + away}" in result.stdout


def test_a_class_in_doubt_is_told(
    trained: tuple[Path, AuditedSamples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witnesses doubt eleven of the twenty red ones, and ten of the green ones."""
    folder, _ = trained

    def doubting(given: AuditedSamples, *more: object) -> Verdict:
        label = torch.from_numpy(given.label)
        flagged = torch.zeros(len(label), dtype=torch.bool)
        for name, count in (("red", 11), ("green", 10)):
            own = (label == given.classes.index(name)).nonzero()[:, 0]
            flagged[own[:count]] = True
        half = torch.full((len(label),), 0.5, dtype=torch.float64)
        suggested = torch.where(flagged, given.classes.index("blue"), label)
        return Verdict(half, suggested, half, flagged, torch.full((len(label), 5), -1))

    module = importlib.import_module("supcon_ext.audit.audit")  # its name is the function's
    monkeypatch.setattr(module, "ask_neighbours", doubting)
    result = CliRunner().invoke(main, ["audit", str(folder), "--out", str(tmp_path / "a")])
    assert result.exit_code == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if "in doubt" in line]
    assert len(told) == 1 and "in doubt: red 11 of 20. Try" in told[0]

"""The whole data set under audit: the test split too, which has no say on any other sample."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from sklearn.neighbors import NearestNeighbors

from data_tools.samples import SampleSet
from supcon_ext.audit import AuditedSamples, Verdict
from supcon_ext.audit.votes import ask_neighbours
from supcon_ext.cli import main
from supcon_ext.experiment import run
from supcon_ext.recipe import parse_recipe
from supcon_ext.selectors.neighbours import NeighbourGraph, nearest_neighbours, neighbours_among
from tests.audit.coloured import paint, recipe

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run on 144 images, of which 12 are misplaced and 29 for the test."""
    folder = tmp_path_factory.mktemp("splits")
    paint(folder / "images", per_class=48, wrong=6)
    dataset = {"kind": "image_folder", "root": str(folder / "images"), "test": 0.2}
    run(parse_recipe(recipe(dataset)), folder=folder / "run")
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def audited(trained: Path, *options: str) -> tuple[Result, list[dict[str, str]]]:
    result = CliRunner().invoke(main, ["audit", str(trained / "run"), "--out", "seen", *options])
    if result.exit_code:
        return result, []
    return result, rows_of(Path("seen/labels.csv"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_picture_of_the_folder_is_listed(trained: Path) -> None:
    result, rows = audited(trained)
    files = sorted((trained / "images").rglob("*.png"))
    assert sorted(row["path"] for row in rows) == [str(path) for path in files]
    assert result.stdout.startswith("12 of 144 labels look wrong (8.3%)")
    assert "left out" not in result.stdout
    assert "144 images (103 train, 12 validation, 29 test)" in result.stderr
    flagged = [row for row in rows if row["flagged"] == "1"]
    assert {row["split"] for row in flagged} >= {"train", "test"}
    for row in flagged:
        assert Path(row["path"]).name.split("-")[0] == row["suggested_name"]


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        (("train",), "left out: 12 of the validation split (not asked for), 29 of the test split"),
        (("train", "validation"), "left out: 29 of the test split (not asked for)"),
        (("test",), "left out: 103 of the train split (not asked for), 12 of the validation split"),
        (("validation", "test"), "left out: 103 of the train split (not asked for)"),
    ],
)
def test_some_splits_alone_and_what_is_said_of_them_is_the_same(
    trained: Path, splits: tuple[str, ...], told: str
) -> None:
    _, all_rows = audited(trained)
    result, rows = audited(trained, *(f"--split={split}" for split in splits))
    assert rows == [row for row in all_rows if row["split"] in splits]
    assert told in result.stdout
    count = sum(row["flagged"] == "1" for row in rows)
    assert result.stdout.startswith(f"{count} of {len(rows)} labels look wrong")


@pytest.mark.parametrize("tested", [True, False])
def test_corrections_hold_for_the_test_unless_it_is_left_out(trained: Path, tested: bool) -> None:
    splits = [] if tested else ["--split=train", "--split=validation"]
    result, rows = audited(trained, "--apply", "new.csv", "--min-confidence", "0.5", *splits)
    new = {row["path"]: row for row in rows_of(Path("new.csv"))}
    assert len(new) == 144
    split = {row["path"]: row["split"].replace("validation", "val") for row in rows}
    assert all(new[path]["split"] == name for path, name in split.items())
    changed = {path for path, row in new.items() if row["label"] != Path(path).parent.name}
    expected = {r["path"] for r in rows if r["flagged"] == "1" and float(r["confidence"]) >= 0.5}
    assert changed == expected
    on_test = sum(new[path]["split"] == "test" for path in changed)
    assert (on_test > 0) is tested
    told = f"warning: {on_test} of the suggestions taken are of test labels that nobody looked at"
    assert (told in result.stderr) is tested


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    paint(tmp_path / "images", per_class=12, wrong=0)
    dataset = {"kind": "image_folder", "root": str(tmp_path / "images"), "test": 0.0}
    run(parse_recipe(recipe(dataset, evaluation=[])), folder=tmp_path / "run")
    result, _ = audited(tmp_path, "--split", "test")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Expected a split that the data has, train or validation, but got test. "
        "Try: --split validation"
    )
    assert not Path("seen").exists()


def made_up(
    seed: int, voters: int = 60, tested: int = 20
) -> tuple[AuditedSamples, NeighbourGraph, torch.Tensor]:
    """Random labels and vectors."""
    random = np.random.default_rng(seed)

    def part(count: int) -> SampleSet:
        pixels = np.zeros((count, 2, 2, 1), np.uint8)
        return SampleSet(pixels, random.integers(0, 3, count), CLASSES)

    z = torch.from_numpy(random.normal(size=(voters + tested, 4)))
    first = nearest_neighbours(z[:voters], 15)
    second = neighbours_among(z[voters:], z[:voters], 15)
    graph = NeighbourGraph(
        torch.cat([first.index, second.index]), torch.cat([first.similarity, second.similarity])
    )
    index = np.r_[np.arange(voters), np.arange(tested)]
    return AuditedSamples(part(voters), None, index, False, part(tested)), graph, z


@pytest.mark.parametrize("seed", range(5))
def test_test_labels_have_no_say(seed: int) -> None:
    samples, graph, z = made_up(seed)
    verdict = ask_neighbours(samples, graph, z)
    alone = AuditedSamples(samples.train, None, samples.index[:60], False)
    first = NeighbourGraph(graph.index[:60], graph.similarity[:60])
    without = ask_neighbours(alone, first, z[:60])
    assert samples.test is not None
    shuffled = replace(samples.test, label=(samples.test.label + 1) % 3)
    other = ask_neighbours(replace(samples, test=shuffled), graph, z)
    for field in fields(Verdict):
        found = getattr(verdict, field.name)
        if field.name == "transition":  # of all, not of each
            for against in (without, other):
                assert (found is None) == (against.transition is None)
                assert found is None or torch.equal(found, against.transition)
            continue
        assert len(found) == 80
        assert torch.equal(found[:60], getattr(without, field.name))
        assert torch.equal(found[:60], getattr(other, field.name)[:60])
    assert int(verdict.disagreeing.max()) < 60


def test_a_test_sample_is_told_by_the_training_samples_around_it() -> None:
    """Three tight clusters, and in each a test sample of every class."""
    label = np.repeat([0, 1, 2], 10)
    z = torch.eye(3)[torch.from_numpy(label)]
    tested = np.tile([0, 1, 2], 3)
    where = torch.eye(3)[torch.from_numpy(np.repeat([0, 1, 2], 3))]
    pixels = np.zeros((39, 2, 2, 1), np.uint8)
    samples = AuditedSamples(
        SampleSet(pixels[:30], label, CLASSES),
        None,
        np.r_[np.arange(30), np.arange(9)],
        False,
        SampleSet(pixels[30:], tested, CLASSES),
    )
    first, second = nearest_neighbours(z, 8), neighbours_among(where, z, 8)
    graph = NeighbourGraph(
        torch.cat([first.index, second.index]), torch.cat([first.similarity, second.similarity])
    )
    verdict = ask_neighbours(samples, graph, torch.cat([z, where]))
    assert not verdict.flagged[:30].any()
    assert verdict.suggested[30:].tolist() == np.repeat([0, 1, 2], 3).tolist()
    assert verdict.flagged[30:].tolist() == (tested != np.repeat([0, 1, 2], 3)).tolist()
    assert samples.names()[30:] == [f"test/{i}" for i in range(9)]
    assert samples.split == ["train"] * 30 + ["test"] * 9


@pytest.mark.parametrize(("queries", "rows", "k"), [(1, 5, 5), (40, 33, 7), (7, 100, 1)])
def test_nearest_of_others(queries: int, rows: int, k: int) -> None:
    random = np.random.default_rng(queries)
    query, reference = random.normal(size=(queries, 6)), random.normal(size=(rows, 6))
    found = neighbours_among(torch.from_numpy(query), torch.from_numpy(reference), k)
    oracle = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(reference)
    distance, index = oracle.kneighbors(query)
    assert np.array_equal(found.index.numpy(), index)
    assert np.allclose(1 - found.similarity.numpy(), distance, atol=1e-5)

"""Duplicates and outliers: planted ones are found, and nothing else."""

from __future__ import annotations

import csv
import itertools
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from scipy import stats

from data_tools.perceptual_hash import joined, near_pairs
from data_tools.samples import SampleSet
from supcon_ext.audit import AuditedSamples
from supcon_ext.audit.judging_groups import SIZE, judging_groups
from supcon_ext.audit.look_alikes import find_alike
from supcon_ext.audit.outliers import find_outliers
from supcon_ext.audit.votes import nearest_agreeing
from supcon_ext.cli import main
from supcon_ext.experiment import run
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.recipe import parse_recipe
from supcon_ext.selectors.neighbours import NeighbourGraph, nearest_neighbours
from tests.audit.coloured import paint, recipe


@pytest.mark.parametrize(("count", "bits"), [(0, 4), (1, 4), (60, 0), (60, 4), (300, 20)])
def test_near_pairs_are_those_of_every_pair(
    count: int, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_tools.perceptual_hash._HELD", 1000)
    random = np.random.default_rng(count)
    hashes = random.random((count, 64)) < 0.5
    hashes[count // 2 :] = hashes[: count - count // 2] ^ (random.random((1, 64)) < bits / 64)
    first, second = near_pairs(hashes, bits)
    expected = [
        (a, b)
        for a, b in itertools.combinations(range(count), 2)
        if (hashes[a] ^ hashes[b]).sum() <= bits
    ]
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == expected
    assert count < 2 or expected


def test_pairs_are_joined() -> None:
    group = joined(6, np.array([0, 3]), np.array([2, 2]))
    assert group[0] == group[2] == group[3]
    assert len(set(group.tolist())) == 4


def pictures() -> AuditedSamples:
    """Smooth random pictures, 12 for training, 3 for validation and 5 for the test."""
    random = np.random.default_rng(0)
    small = random.integers(0, 255, (20, 6, 6, 3), dtype=np.uint8)
    images = np.stack(
        [
            np.asarray(Image.fromarray(one).resize((48, 48), Image.Resampling.BICUBIC))
            for one in small
        ]
    )
    images[1] = images[0]  # the same, with another label
    images[13] = images[2]  # the same in training and validation
    images[15] = np.clip(images[3].astype(int) + random.integers(-4, 5, images[3].shape), 0, 255)
    images[4] = images[5] = 255  # of one colour
    images[6] = 10  # of another
    label = np.arange(20) % 2
    label[15] = label[3]
    parts = [
        SampleSet(images[a:b], label[a:b], ("a", "b")) for a, b in ((0, 12), (12, 15), (15, 20))
    ]
    index = np.r_[np.arange(15), np.arange(5)]
    return AuditedSamples(parts[0], parts[1], index, False, parts[2])


def test_each_kind_of_duplicates() -> None:
    samples = pictures()
    found = find_alike(samples, range(20), ConsoleProgress())
    told = {tuple(one.members): (one.same, one.label_differs, one.splits) for one in found}
    assert told == {
        (2, 13): ([True, True], True, ("train", "validation")),
        (3, 15): ([True, False], False, ("train", "test")),
        (0, 1): ([True, True], True, ("train",)),
        (4, 5): ([True, True], True, ("train",)),
    }
    assert [one.across for one in found] == [True, True, False, False]
    assert all(one.bits[0] == 0 and max(one.bits) <= 4 for one in found)
    assert [tuple(one.members) for one in find_alike(samples, range(12), ConsoleProgress())] == [
        (0, 1),
        (4, 5),
    ]


def test_without_the_package_those_of_the_same_pixels_are_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    samples = pictures()
    with ConsoleProgress() as progress:
        found = find_alike(samples, range(20), progress)
    assert {tuple(one.members) for one in found} == {(2, 13), (0, 1), (4, 5)}
    told = capsys.readouterr().err
    assert 'pip install "supcon-ext[filters]"' in told.replace("\n", " ")


def test_vectors_are_compared_by_their_numbers() -> None:
    rows = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    rows[5] = rows[1]
    samples = AuditedSamples(
        SampleSet(rows, np.arange(8) % 2, ("a", "b")), None, np.arange(8), False
    )
    (found,) = find_alike(samples, range(8), ConsoleProgress())
    assert found.members == [1, 5] and found.same == [True, True] and not found.label_differs


def test_the_fence_of_outliers() -> None:
    """As scikit-learn and scipy have distances and quartiles; only voters set the fence."""
    random = np.random.default_rng(0)
    z = np.concatenate([random.normal(size=(300, 16)) * 0.1 + 1, random.normal(size=(4, 16))])
    graph = nearest_neighbours(torch.from_numpy(z), 5)
    found = find_outliers(graph, 300)
    distance = np.sort(cosine_distances(z), axis=1)[:, 1:6]
    assert np.allclose(found.distance.numpy(), distance.mean(1), atol=1e-5)
    scale = np.log(distance.mean(1))
    low, high = np.quantile(scale[:300], [0.25, 0.75])
    assert high - low == pytest.approx(stats.iqr(scale[:300]))
    assert found.far.tolist() == (scale > high + 3 * (high - low)).tolist()
    assert set(found.order()) == {300, 301, 302, 303}
    assert found.usual == pytest.approx(np.exp(np.median(scale[:300])), rel=1e-3)


def cosine_distances(z: np.ndarray) -> np.ndarray:
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    return 1 - unit @ unit.T


def test_samples_that_are_all_one_are_no_outliers() -> None:
    found = find_outliers(nearest_neighbours(torch.ones(20, 3), 5), 20)
    assert not found.far.any() and found.order() == []


@pytest.mark.parametrize("count", [1, 5, 9])
def test_agreeing_neighbours_by_hand(count: int) -> None:
    index = torch.tensor([[3, 1, 2, 4], [0, 2, 3, 4], [1, 0, 3, 4], [4, 0, 1, 2], [3, 2, 1, 0]])
    label = torch.tensor([0, 0, 1, 0, 1])
    found = nearest_agreeing(NeighbourGraph(index, torch.zeros(5, 4)), label, count)
    whole = [[3, 1], [0, 3], [4], [0, 1], [2]]
    assert found.tolist() == [(row + [-1] * 9)[:count] for row in whole]


def test_groups_are_of_one_pair_of_labels_and_hold_look_alikes() -> None:
    random = np.random.default_rng(0)
    centre = torch.eye(4)[torch.arange(100) % 4]
    features = centre + 0.01 * torch.from_numpy(random.normal(size=(100, 4))).float()
    given, suggested = np.zeros(100, np.int64), np.ones(100, np.int64)
    given[96:] = 2
    order = random.permutation(100).tolist()
    groups = judging_groups(features, given, suggested, order)
    assert sorted(itertools.chain(*groups)) == list(range(100))
    for group in groups:
        assert len({(given[i], suggested[i]) for i in group}) == 1
        assert group == sorted(group, key=order.index)
    assert [len({i % 4 for i in group}) for group in groups[:4]] == [1] * 4
    assert max(map(len, groups)) <= SIZE and len(groups[-1]) == 4
    assert judging_groups(torch.ones(60, 3), given, suggested, range(60)) == [list(range(60))]
    assert judging_groups(features, given, suggested, []) == []


def test_planted_ones_are_listed_as_a_user_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "images"
    paint(root, per_class=30, wrong=0)
    noise = np.random.default_rng(1).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "red" / "odd-noise.png")
    shutil.copy(root / "red" / "red-20.png", root / "green" / "copy.png")
    Image.open(root / "blue" / "blue-07.png").save(root / "blue" / "again.jpg", quality=95)
    dataset = {"kind": "image_folder", "root": "images", "test": 0.2}
    run(parse_recipe(recipe(dataset)), folder=Path("run"))
    result = CliRunner().invoke(main, ["audit", "run"])
    assert result.exit_code == 0, result.stderr
    (told,) = [line for line in result.stdout.splitlines() if line.startswith("listed too: ")]
    assert "2 groups of duplicates (" in told and "1 with different labels" in told
    assert told.endswith("; 1 outlier in run/audit/outliers.csv")
    with Path("run/audit/outliers.csv").open() as file:
        assert [row["path"] for row in csv.DictReader(file)] == ["images/red/odd-noise.png"]
    with Path("run/audit/duplicates.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = {
        frozenset(row["path"] for row in rows if row["group"] == group): {
            (row["label_differs"], min(r["same"] for r in rows if r["group"] == group))
            for row in rows
            if row["group"] == group
        }
        for group in {row["group"] for row in rows}
    }
    assert pairs == {
        frozenset({"images/red/red-20.png", "images/green/copy.png"}): {("1", "1")},
        frozenset({"images/blue/blue-07.png", "images/blue/again.jpg"}): {("0", "0")},
    }

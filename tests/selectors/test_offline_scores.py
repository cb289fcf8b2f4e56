"""Scores from a file: who is kept, and what is wrong with a file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from supcon_ext.selectors.base import SampleBank, selector
from supcon_ext.selectors.offline_scores import OfflineScores, read_scores
from supcon_ext.testing import check_selector

LABEL = torch.tensor([0, 1, 2, 0, 1])
ROWS = "index,score,label\n4,0.9,2\n0,0.5,-1\n2,0.1,2\n1,0.6,1\n3,0.2,1\n"


def bank(label: torch.Tensor = LABEL) -> SampleBank:
    return SampleBank(torch.arange(len(label)), label, 3)


def written(folder: Path, text: str, name: str = "scores.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_rows_in_any_order_with_labels(tmp_path: Path) -> None:
    found = OfflineScores(written(tmp_path, ROWS)).refresh(bank(), 0)
    assert found.trust.tolist() == [1, 1, 0, 0, 1]
    assert found.label.tolist() == [0, 1, 2, 1, 2]
    assert found.ranking.tolist() == pytest.approx([0.5, 0.6, 0.1, 0.2, 0.9])
    assert found.stats["relabelled"] == 2


def test_an_archive_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    np.savez(path, index=[4, 0, 2, 1, 3], score=np.float32([0.9, 0.5, 0.1, 0.6, 0.2]))
    found = OfflineScores(str(path)).refresh(bank(), 0)
    assert found.trust.tolist() == [1, 1, 0, 0, 1]
    assert torch.equal(found.label, LABEL)


@pytest.mark.parametrize(("quantile", "kept"), [(0.0, 5), (0.25, 4), (0.5, 3), (0.75, 2), (1.0, 1)])
def test_a_quantile(quantile: float, kept: int, tmp_path: Path) -> None:
    found = OfflineScores(written(tmp_path, ROWS), quantile=quantile).refresh(bank(), 0)
    assert float(found.trust.sum()) == kept
    assert found.ranking[found.trust > 0].min() >= found.ranking.sort().values[5 - kept]


def test_a_threshold_of_ones_own(tmp_path: Path) -> None:
    found = OfflineScores(written(tmp_path, ROWS), threshold=0.15).refresh(bank(), 0)
    assert found.trust.tolist() == [1, 1, 0, 1, 1]
    with pytest.raises(ValueError, match="one of `threshold` and `quantile`"):
        OfflineScores(written(tmp_path, ROWS), 0.5, 0.5)


def test_equal_scores_keep_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "index,score\n" + "".join(f"{i},0.1\n" for i in range(5))
    with caplog.at_level(logging.WARNING):
        found = OfflineScores(written(tmp_path, text)).refresh(bank(), 0)
    assert found.trust.tolist() == [1] * 5
    assert "equal" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names of the columns in line 1"),
        ("path,score\na.png,1\n", "column `index`"),
        ("index,label\n0,1\n", "column `score`"),
        ("index,score\n0,1\n1,1\n0,2\n", "0 more than once"),
        ("index,score\n0,1\n-1,1\n", "integers of at least 0"),
        ("index,score\n0,1\n1.5,1\n", "got '1.5' in line 3"),
        ("index,score\na,1\n", "integers"),
        ("index,score\n0,1\n1,\n", "finite numbers in column `score`"),
        ("index,score\n0,1\n1,good\n", "finite numbers in column `score`"),
        ("index,score,label\n0,1,-2\n", "column `label`"),
    ],
)
def test_files_that_cannot_be_used(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        OfflineScores(written(tmp_path, text))


def test_files_that_are_missing_or_ragged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        OfflineScores(str(tmp_path / "none.csv"))
    np.savez(tmp_path / "ragged.npz", index=[0, 1], score=[1.0])
    with pytest.raises(ValueError, match="one length"):
        read_scores(tmp_path / "ragged.npz")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,1\n1,1\n3,1\n4,1\n", "4 rows and none for sample 2"),
        ("0,1\n1,1\n2,1\n3,1\n4,1\n7,1\n", "6 rows and one for sample 7"),
    ],
)
def test_files_for_another_training_set(rows: str, message: str, tmp_path: Path) -> None:
    made = OfflineScores(written(tmp_path, "index,score\n" + rows))
    with pytest.raises(ValueError, match=message):
        made.refresh(bank(), 0)


def test_labels_of_another_data_set(tmp_path: Path) -> None:
    made = OfflineScores(written(tmp_path, ROWS.replace("4,0.9,2", "4,0.9,3")))
    with pytest.raises(ValueError, match="labels below 3"):
        made.refresh(bank(), 0)


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    text = "index,score,label\n" + "".join(f"{i},{i / 24},{i % 4 - 1}\n" for i in range(24))
    spec = selector.spec({"kind": "offline_scores", "path": written(tmp_path, text)})
    check_selector(spec.build())

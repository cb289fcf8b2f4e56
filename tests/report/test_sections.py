"""Each section of the page, by hand; nothing that a name holds is markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from supcon_ext.report.belief import NOT_RECORDED, belief, read_belief, thin
from supcon_ext.report.confusion import confusion, counted
from supcon_ext.report.curves import selection_series, training_series
from supcon_ext.report.embedding_map import embedding_map
from supcon_ext.report.errors import errors, worst
from supcon_ext.report.page import PageSection, page
from supcon_ext.report.table import cell, table
from tests.hostile import HOSTILE
from tests.report.seen import CLASSES, seen


def test_the_matrix_by_hand() -> None:
    assert counted(seen(True), 3).tolist() == [[1, 2, 0], [0, 1, 1], [1, 0, 2]]
    body = confusion(seen(True), CLASSES).body
    assert "8 test samples, predicted by knn; 50.0% as their label says" in body
    cells = re.findall(r'title="(\w) taken for (\w): (\d)"', body)
    assert cells[1] == ("a", "b", "2") and len(cells) == 9
    # the commonest pair first, with its share of the class
    first = body[body.index("Commonest confusions") :]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", first)[:4] == ["a", "b", "2", "0.6667"]


def test_many_classes_are_shown_by_pairs() -> None:
    names = CLASSES + tuple(f"other {number}" for number in range(40))
    body = confusion(seen(True, names), names).body
    assert 'class="matrix"' not in body and "<details>" not in body and "0.6667" in body


def test_the_surest_errors_come_first() -> None:
    assert worst(seen(True)) == [4, 2, 7, 1]  # of two that are equal, the first
    assert worst(seen(True), 2) == [4, 2]
    body = errors(seen(True), CLASSES).body
    assert body.count('<img src="data:image/png;base64,') == 4
    assert re.findall(r"<b>(\w)</b> ([\d.]+)<br>label (\w)", body) == [
        ("c", "0.95", "b"),
        ("b", "0.80", "a"),
        ("a", "0.80", "c"),
        ("b", "0.50", "a"),
    ]


def test_without_pictures_errors_are_a_table() -> None:
    body = errors(seen(False), CLASSES).body
    assert "<img" not in body and "test/4" in body and "0.9500" in body
    assert "given label" in errors(seen(False, split="validation"), CLASSES).body


@pytest.mark.parametrize("pictures", [True, False])
def test_the_map_has_a_point_for_each_sample(pictures: bool) -> None:
    made = embedding_map(seen(pictures), CLASSES)
    assert made.body.count("<circle ") == 8 and made.body.count('class="wrong"') == 4
    assert made.data is not None
    words = [point[0] for point in made.data["points"]]
    assert words[0] == "a; test/0" and words[4] == "b, predicted c (0.95); test/4"
    assert all((picture is not None) is pictures for _, picture in made.data["points"])


ROW = {"class": 0.0, "name": "x", "group": "few", "samples": 9.0, "trusted": 3.0}


def test_a_class_on_next_to_nothing_is_warned_of() -> None:
    rows = [{**ROW, "corrected": 1.0, "selected": float(count)} for count in (0, 1, 4, 5)]
    rows = [{**row, "class": float(number)} for number, row in enumerate(rows)]
    names = ("none", "one", "four", "five")
    told = thin(rows, names)
    assert told.startswith("3 of 4 classes rest on fewer than five trusted samples")
    assert told.endswith(": none (0), one (1), four (4)")
    assert told in belief(rows, names).body and thin(rows[3:], names) == ""
    assert "true noise" not in belief(rows, names).body
    told = [{**row, "noise_rate": 0.25, "true_samples": 7.0} for row in rows]
    assert "true noise" in belief(told, names).body and "0.2500" in belief(told, names).body
    assert belief([], names).body == ""


def test_belief_of_an_older_version_is_not_recorded(tmp_path: Path) -> None:
    assert read_belief(tmp_path) == []  # nothing was selected
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "selection.csv").write_text("stage,epoch,selected\na,1,3\n")
    assert read_belief(tmp_path) is None
    (tmp_path / "tables" / "selection_classes.csv").write_text("class,name,samples\n0,a,3\n")
    assert read_belief(tmp_path) is None
    assert NOT_RECORDED in belief(None, CLASSES).body


def test_curves_are_over_epochs(tmp_path: Path) -> None:
    metrics = {
        "epoch": [(7, 1.0), (14, 2.0)],
        "train/loss": [(7, 3.0), (14, 2.5)],
        "train/a/accuracy": [(7, 0.25), (14, 0.5), (20, 0.75)],
        "validation/knn/accuracy": [(14, 0.75)],
        "train/lr": [(7, 0.1)],
    }
    assert training_series(metrics) == {
        "Loss in training": {"loss": ((1.0, 2.0), (3.0, 2.5))},
        "Accuracy in training": {"a/accuracy": ((1.0, 2.0), (0.25, 0.5))},
        "Validation, by labels as given": {},
    }
    assert selection_series(tmp_path, 10) == {}
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "selection.csv").write_text(
        "stage,epoch,selected,precision\na,1,5.0,0.5\na,2,8.0,\na,3,9.0,0.75\n"
    )
    found = selection_series(tmp_path, 10)
    assert found == {"precision": ((1, 3), (0.5, 0.75)), "kept": ([1, 2, 3], [0.5, 0.8, 0.9])}


def test_cells() -> None:
    told = [cell(value) for value in (None, "", 0.25, 1234.5, 12345, "<b>")]
    assert told == ["–", "–", "0.2500", "1,234", "12,345", "&lt;b&gt;"]
    body = table(("name", "n"), [("a", 1), ("b", None)])
    assert '<th class="number">n' in body and "<th>name" in body


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_markup(name: str) -> None:
    classes = (name, f"{name}2", "c")
    found = seen(True, classes)
    sections = [part(found, classes) for part in (confusion, embedding_map, errors)]
    sections.append(belief([{**ROW, "corrected": 0.0, "selected": 1.0}], classes))
    made = page(name, "", sections)
    assert made.count("<script") == 2 and made.count("</script") == 2
    assert not re.search(r"<(?:img|svg|b|i|a)[^>]*\son\w+=", made)
    assert not re.search(r'(?:src|href)="(?!data:image/|#)', made)


def test_the_page_may_run_its_own_script_and_load_nothing() -> None:
    made = page("t", "", [PageSection("One", "x"), PageSection("None", "")])
    script = re.search(r"<script>(.*?)</script>", made, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'" and rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert "None</h2>" not in made and "<h2>One</h2>" in made
    data = re.search(r'id="told">(.*?)</script>', made)
    assert data is not None and json.loads(data[1]) == {}


def test_a_prediction_without_an_error_says_so() -> None:
    from dataclasses import replace

    right = replace(seen(True), predicted=np.array(seen(True).label))
    assert "None: every test sample is predicted as labelled." in errors(right, CLASSES).body

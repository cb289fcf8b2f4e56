"""Wrong labels that have a rule: found, told of, and judged by it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from supcon_ext import find_label_issues
from supcon_ext.audit.two_witnesses import judge
from supcon_ext.selectors.named_rules import Rule, rules_of, told_rules
from supcon_ext.selectors.neighbours import nearest_neighbours
from supcon_ext.selectors.transition import FITS
from supcon_ext.selectors.two_witnesses import hear
from tests.audit.coloured import recipe
from tests.audit.test_decisions import supcon
from tests.benchmarks.audit import cut

X, TRUE = load_digits(return_X_y=True)


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]


def test_shares_of_a_tenth_are_rules_the_largest_first() -> None:
    matrix = torch.tensor([[0.75, 0.2, 0.05], [0.0, 1.0, 0.0], [0.3, 0.09, 0.61]])
    found = rules_of(matrix, ["a", "b", "c"])
    assert [(each.name, each.label) for each in found] == [("c", "a"), ("a", "b")]
    assert [each.share for each in found] == pytest.approx([0.3, 0.2])
    assert rules_of(None, ["a", "b", "c"]) == []
    assert told_rules(found) == (
        "Wrong labels have a rule: about 30% of c carry a, about 20% of a carry b"
    )
    many = [Rule("a\n", str(number), 0.1) for number in range(12)]
    assert told_rules(many).endswith(" carry 9 and 2 more") and "\n" not in told_rules(many)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [0.2, 0.4])
@pytest.mark.parametrize("noise", ["next class", "drawn class"])
def test_labels_wrong_by_a_rule_are_found_better_by_it(noise: str, rate: float, seed: int) -> None:
    from cleanlab.rank import get_label_quality_scores

    rows, given, true = cut(X, TRUE, 10, noise, rate, 150, seed)
    x, label = torch.from_numpy(rows).float(), torch.from_numpy(given)
    graph = nearest_neighbours(x, 250)
    by_rule, without = judge(graph, x, label, 10), hear(graph, x, label, 10)
    assert by_rule.transition is not None
    wrong, few = given != true, (true >= 7) & (given == true)
    model = LogisticRegression(max_iter=200)
    probability = cross_val_predict(model, rows / 16, given, cv=3, method="predict_proba")
    theirs = average_precision_score(wrong, 1 - get_label_quality_scores(given, probability))
    found = average_precision_score(wrong, by_rule.suspicion)
    assert found > average_precision_score(wrong, 1 - without.own) - 0.002
    assert found > theirs
    flagged = by_rule.flagged.numpy()
    assert wrong[flagged].mean() > wrong[without.flagged.numpy()].mean()
    assert flagged[few].mean() <= max(0.25, without.flagged.numpy()[few].mean())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4])
def test_where_no_rule_is_there_none_is_seen(rate: float, seed: int) -> None:
    rows, given, _ = cut(X, TRUE, 10, "symmetric", rate, 150, seed)
    x, label = torch.from_numpy(rows).float(), torch.from_numpy(given)
    graph = nearest_neighbours(x, 250)
    made, heard = judge(graph, x, label, 10), hear(graph, x, label, 10)
    assert made.transition is None
    assert torch.equal(made.flagged, heard.flagged)
    assert torch.equal(made.suspicion, (1 - heard.own).clamp(1e-9, 1 - 1e-9))


def test_find_label_issues_tells_the_rule() -> None:
    names = np.array([f"digit {each}" for each in range(10)])
    flip = (TRUE == 3) & (np.arange(len(TRUE)) % 5 < 2)
    given = names[np.where(flip, 8, TRUE)]
    issues = find_label_issues(X, given)
    assert [(each.name, each.label) for each in issues.rules] == [("digit 3", "digit 8")]
    assert issues.rules[0].share == pytest.approx(flip.sum() / (TRUE == 3).sum(), abs=0.12)
    assert average_precision_score(flip, -issues.trust) > 0.97
    assert find_label_issues(X, names[TRUE]).rules == ()


def test_the_command_line_and_the_page_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mapping = {"0": "6", "6": "0"}
    values = recipe({"kind": "digits", "size": 8})
    values["data"]["noise"] = {"kind": "asymmetric_map", "rate": 0.35, "mapping": mapping}
    values["stages"][0] |= {"epochs": 2, "batch_size": 64}
    Path("mine.yaml").write_text(yaml.safe_dump(values))
    assert supcon("run", "mine.yaml").exit_code == 0
    folder = next(Path("runs").iterdir())
    told, found = supcon("audit", str(folder)), supcon("audit", str(folder), "--json")
    assert told.exit_code == found.exit_code == 0, told.stderr
    rules = json.loads(found.stdout)["rules"]
    assert {(each["name"], each["label"]) for each in rules} == set(mapping.items())
    assert all(0.2 < each["share"] < 0.5 for each in rules)
    line = r"Wrong labels have a rule: about \d\d% of [06] carry [06], about \d\d% of [06] carry"
    assert re.search(line, told.stdout)
    assert f"estimating  1 epoch of {FITS} steps" in told.stderr
    assert re.search(line, (folder / "audit" / "index.html").read_text("utf-8"))

"""What the page of a sweep adds to its runs', by hand: belief by class, data, recipe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from supcon_ext.compare.comparison import Row
from supcon_ext.report.belief import NOT_RECORDED
from supcon_ext.report.origin import environment
from supcon_ext.report.sweep_belief import sweep_belief
from supcon_ext.report.sweep_origin import data, recipes
from supcon_ext.tracking import Tracker, TrackingSettings
from tests.runs import made

HEAD = "class,name,group,samples,trusted,corrected,selected,estimated_noise_rate,noise_rate"


def believed(folder: Path, *rows: str, head: str = HEAD) -> Path:
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "selection.csv").write_text("stage,epoch,selected\na,1,3\n")
    (folder / "tables" / "selection_classes.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def row(name: str, *runs: Path) -> Row:
    return Row({"method": name}, "last", "knn", tuple(range(len(runs))), {}, runs)


def cells(body: str) -> list[list[str]]:
    lines = re.findall(r"<tr>(<td.*?)</tr>", body)
    return [re.findall(r"<td[^>]*>([^<]*)</td>", line) for line in lines]


def none(line: str) -> None:
    raise AssertionError(line)


def test_means_and_spreads_over_seeds(tmp_path: Path) -> None:
    first = believed(tmp_path / "a", "0,x,many,80,60,2,61,0.25,0.1", "1,y,few,20,4,0,4,0.8,0.6")
    second = believed(tmp_path / "b", "0,x,many,80,70,4,71,0.125,0.2", "1,y,few,20,4,0,4,0.8,0.6")
    third = believed(tmp_path / "c", "0,x,many,80,80,0,80,0,0.1", "1,y,few,20,20,0,20,0,0.6")
    (tmp_path / "d").mkdir()
    rows = [row("one", first, second), row("two", third), row("none", tmp_path / "d")]
    body = sweep_belief(rows, none).body
    assert "Without a selection: none." in body
    assert [" | ".join(line) for line in cells(body)] == [
        # over all classes: 36 % and 26 % are not trusted; 20 % and 28 % are wrong
        "one | 2 | 100.0 ± 0.0 | 69.0 ± 7.1 | 3.0 ± 1.4 | 70.0 ± 7.1 | 0.3100 ± 0.0707"
        " | 0.2400 ± 0.0566",
        "two | 1 | 100 | 100 | 0 | 100 | 0.0000 | 0.2000",
        "x | many | 80.0 ± 0.0 | 65.0 ± 7.1 | 3.0 ± 1.4 | 66.0 ± 7.1 | 0.1875 ± 0.0884"
        " | 0.1500 ± 0.0707",
        "y | few | 20.0 ± 0.0 | 4.0 ± 0.0 | 0.0 ± 0.0 | 4.0 ± 0.0 | 0.8000 ± 0.0000"
        " | 0.6000 ± 0.0000",
        "x | many | 80 | 80 | 0 | 80 | 0.0000 | 0.1000",
        "y | few | 20 | 20 | 0 | 20 | 0.0000 | 0.6000",
    ]
    assert "1 of 2 classes rest on fewer than five trusted samples" in body and ": y (4)" in body


def test_where_no_truth_is_known_none_is_told(tmp_path: Path) -> None:
    head = HEAD.removesuffix(",noise_rate")
    body = sweep_belief(
        [row("one", believed(tmp_path / "a", "0,x,,8,6,0,6,0.25", head=head))], none
    ).body
    assert "true noise" not in body and len(cells(body)[0]) == 7


def test_a_sweep_without_selections_has_no_section(tmp_path: Path) -> None:
    assert sweep_belief([row("one", tmp_path)], none).body == ""


def test_what_an_older_version_did_not_record_is_said(tmp_path: Path) -> None:
    old = believed(tmp_path / "a", "0,x,3", head="class,name,samples")
    new = believed(tmp_path / "b", "0,x,many,80,60,2,61,0.25,0.1")
    lines: list[str] = []
    body = sweep_belief(
        [row("old", old), row("mixed", old, new), row("new", new)], lines.append
    ).body
    assert lines == [f"{NOT_RECORDED}: old, mixed"]
    assert f'<p class="warning">{lines[0]}</p>' in body
    assert {line[0] for line in cells(body)} == {"new", "x"}


def test_fingerprints_with_their_runs(tmp_path: Path) -> None:
    runs = [
        made.run(tmp_path / name, "FINISHED", fingerprint=mark)
        for name, mark in (("a-s0", "f0"), ("b-s0", "f0"), ("a-s1", "f1"))
    ]
    body = data(runs).body
    assert "2 fingerprints" in body
    assert cells(body)[:2] == [["f0", "a-s0, b-s0"], ["f1", "a-s1"]]
    assert "<p>1 fingerprint," in data(runs[:2]).body


MORE: dict[str, Any] = {
    "plain": {},
    "ema": {"model": {"ema": 0.9}},
    "both": {"model": {"ema": 0.9, "dim": 8}},
}


def recipe(folder: Path, **values: Any) -> Path:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return folder


def test_the_recipe_is_parted_in_what_is_shared_and_what_is_changed(tmp_path: Path) -> None:
    shared = {"tracking": {"uri": "none"}, "model": {"backbone": "conv4"}}
    runs = {
        (name, seed): recipe(
            tmp_path / f"{name}-s{seed}",
            name=name,
            seed=seed,
            data={"noise": {"seed": seed}},
            stages=[{"epochs": 1, "mixup": mixup}] if name == "a" else [{"epochs": 2}],
            **shared,
        )
        for name, mixup in (("a", 0.5), ("b", None))
        for seed in (0, 1)
    }
    rows = [row(name, runs[name, 0], runs[name, 1]) for name in "ab"]
    body = recipes(rows).body
    assert cells(body) == [["stages.0.epochs", "1", "2"], ["stages.0.mixup", "0.5", "–"]]
    assert "2 of 5 keys differ" in body and "tracking" not in body
    opened, folded, _ = re.split("<details>", body)
    assert cells(opened) == [["stages.0.epochs", "1", "2"]]
    assert "What some methods alone have: 1 key<" in folded and "stages.0.mixup" in folded
    text = re.search(r"<pre>(.*)</pre>", body, re.DOTALL)
    assert text is not None
    assert text[1].splitlines() == [
        "data.noise.seed: 0, 1",
        "model.backbone: conv4",
        "seed: 0, 1",
    ]


def test_what_some_methods_alone_have_is_open_where_nothing_else_differs(tmp_path: Path) -> None:
    runs = {name: recipe(tmp_path / name, seed=0, **more) for name, more in MORE.items()}
    rows = [row(name, run) for name, run in runs.items()]
    body = recipes(rows).body
    assert "<details open><summary>What some methods alone have: 2 keys" in body
    assert cells(body) == [["model.ema", "–", "0.9", "0.9"], ["model.dim", "–", "–", "8"]]
    body = recipes(rows[1:2]).body
    assert "differ" not in body and "What some" not in body


@pytest.mark.parametrize("hostile", ["<script>x</script>", "a\x1b[31m"])
def test_no_name_is_markup(hostile: str, tmp_path: Path) -> None:
    new = believed(tmp_path / "b", f'0,"{hostile}",many,80,60,2,61,0.25,0.1')
    recipe(tmp_path / "r", name="x", note=hostile)
    rows = [row(hostile, new), row("other", new)]
    written = sweep_belief(rows, none).body + recipes([row(hostile, tmp_path / "r")]).body
    assert "<script" not in written and "\x1b" not in written


def test_environments_that_differ_are_both_there(tmp_path: Path) -> None:
    for name, python in (("a", "3.11"), ("b", "3.12"), ("c", "3.11")):
        tags = {"env.python": python, "env.torch": "2"}
        settings = TrackingSettings("none")
        Tracker(tmp_path / name, settings, run_name=name, tags=tags).close("FINISHED")
    body = environment([tmp_path / name for name in "abc"]).body
    assert cells(body) == [["python", "3.11; 3.12"], ["torch", "2"]]

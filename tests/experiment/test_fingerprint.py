"""What decides a run's numbers is written down; a change is refused, or accepted by name."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from supcon_ext.experiment.fingerprint import ACCEPTABLE, Fingerprint, Record
from supcon_ext.recipe import load_recipe
from supcon_ext.tracking.events import Tag
from supcon_ext.tracking.journal import read
from supcon_ext.tracking.results import read_results
from tests.experiment.lean import RECIPE, STEPS, folder_of, stopped, supcon, without_drawing
from tests.fresh import start

PLUGIN = '''
from supcon_ext.selectors import PositiveSelector, selector

@selector("mine")
class Mine(PositiveSelector):
    """Same label."""

    def targets(self, pairs):
        return pairs.same("label")
'''


def taken(**changes: Any) -> Fingerprint:
    recipe = {"compute": {}, "seed": 0}
    made = Fingerprint(recipe, "d", "c", {"p": "1"}, {"torch": "2"}, "cpu", 1, 2)
    return dataclasses.replace(made, **changes)


CHANGES = {
    "recipe": ({"recipe": {"compute": {}, "seed": 5}}, "recipe: seed was 0, is 5"),
    "data": ({"data": "e"}, "data: images, labels or their settings was d, is e"),
    "code": ({"code": "e"}, "code: the source code of supcon_ext was c, is e"),
    "plugins": ({"plugins": {"p": "2"}}, "plugins: p was 1, is 2"),
    "packages": ({"packages": {"torch": "3"}}, "packages: torch was 2, is 3"),
    "accelerator": ({"accelerator": "cuda"}, "accelerator: device was cpu, is cuda"),
    "processes": ({"processes": 2}, "processes: number was 1, is 2"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_difference_is_refused_in_a_line_or_accepted_by_its_name(name: str) -> None:
    changes, line = CHANGES[name]
    before, now = taken(), taken(**changes)
    assert before.differences(now) == [(name, line)]
    others = [other for other in ACCEPTABLE if other != name]
    with pytest.raises(ValueError) as refused:
        before.accept(now, others, Path("r"))
    assert line in str(refused.value).splitlines()[1]
    if name not in ACCEPTABLE:
        assert "--accept" not in str(refused.value)
        return
    assert f"supcon resume r --accept {name}," in str(refused.value)
    accepted = before.accept(now, [name], Path("r"))
    assert accepted.accepted == (line,)
    assert dataclasses.replace(accepted, accepted=()) == now
    assert accepted.differences(now) == []


def test_threads_name_and_tracking_are_no_difference() -> None:
    recipe = {"compute": {"workers": 3}, "seed": 0, "name": "x", "tracking": {"uri": "none"}}
    now = taken(threads=7, recipe=recipe)
    assert taken().accept(now, [], Path("r")).threads == 2


def test_a_record_knows_its_own_damage() -> None:
    record = Record({"journal_id": "a"}, {}, taken())
    text = record.to_json()
    assert Record.of_json(text) == record
    with pytest.raises(ValueError, match="digest"):
        Record.of_json(text.replace('"c"', '"x"'))


def test_a_recipe_that_was_edited(tmp_path: Path) -> None:
    folder = stopped(tmp_path)
    edited = folder / "recipe.yaml"
    edited.write_text(edited.read_text().replace("epochs: 3\n", "epochs: 5\n"))
    refused = supcon("resume", folder.name, cwd=tmp_path)
    assert refused.wait() == 2
    assert "  recipe: stages.1.epochs was 3, is 5\n" in refused.stderr
    assert "--accept recipe" in refused.stderr and not (folder / "error.txt").exists()
    edited.write_text(edited.read_text().replace("epochs: 5\n", "epochs: 3\n"))
    undone = supcon("resume", folder.name, cwd=tmp_path)
    assert undone.wait() == 0, undone.stderr
    assert "accepted" not in read_results(folder)


def test_a_plugin_that_was_edited_is_accepted_and_recorded(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    text = RECIPE.replace("name: lean\n", "name: lean\nplugins: [mine]\n").replace("gmm", "mine")
    (tmp_path / "lean.yaml").write_text(text)
    folder = stopped(tmp_path, 4)
    with (tmp_path / "mine.py").open("a") as file:
        file.write("# another comment\n")
    refused = supcon("resume", str(folder), cwd=tmp_path)
    assert refused.wait() == 2 and "  plugins: mine was " in refused.stderr
    going = supcon(
        "resume", str(folder), "--accept", "plugins", cwd=tmp_path, at=("step", 2, signal.SIGKILL)
    )
    assert going.wait() == -signal.SIGKILL, going.stderr
    again = supcon("resume", str(folder), cwd=tmp_path)  # accepted once for all
    assert again.wait() == 0, again.stderr
    (line,) = read_results(folder)["accepted"]
    assert line.startswith("plugins: mine was ")
    events = list(read(folder / "journal.jsonl"))
    assert [e.value for e in events if isinstance(e, Tag) and e.key == "accepted"] == [line]


def _with_threads(number: int, arguments: list[str]) -> None:
    from supcon_ext.cli import main
    from supcon_ext.training.loop import Trainer

    torch.set_num_threads(number)
    without_drawing()
    step = Trainer._step

    def stepping(self: Trainer, *args: Any) -> Any:
        print("threads", torch.get_num_threads())
        return step(self, *args)

    Trainer._step = stepping  # type: ignore[method-assign]
    main(arguments, prog_name="supcon")


def test_threads_are_remembered_and_put_back(tmp_path: Path) -> None:
    folder = stopped(tmp_path, STEPS - 1)
    content = json.loads((folder / "fingerprint.json").read_text())["content"]
    assert content["fingerprint"]["threads"] == 1
    done = start(_with_threads, 3, ["resume", str(folder)], cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert "threads 1\n" in done.stdout and "threads 3\n" not in done.stdout


def test_the_recipe_in_the_fingerprint_is_the_whole_one(tmp_path: Path) -> None:
    folder = stopped(tmp_path, 3)
    recipe = folder / "recipe.yaml"
    before = load_recipe(recipe)
    text = recipe.read_text()
    recipe.unlink()
    done = supcon("resume", str(folder), cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert recipe.read_text() == text and load_recipe(recipe) == before
    assert folder_of(tmp_path) == folder

"""A sweep given again: what it skips it says, and a plug-in whose code changed is another sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supcon_ext.sweep import load_sweep
from supcon_ext.sweep.jobs import console_of
from supcon_ext.sweep.progress import LOOK_SECONDS, SweepProgress, last_line
from tests.fresh import supcon
from tests.sweep.test_sweep import stage, sweep_file

PLUGIN = '''
from supcon_ext import PositiveSelector, selector

@selector("of_mine")
class OfMine(PositiveSelector):
    """Positives share the label."""

    def targets(self, pairs):
        return pairs.same("label"){change}
'''


def test_changed_code_of_a_plugin_is_another_sweep(tmp_path: Path) -> None:
    plugin = tmp_path / "of_mine.py"
    plugin.write_text(PLUGIN.format(change=""))
    term = {"contrastive": {"selector": "of_mine"}}
    grid = {"method": {"a": {"plugins": ["of_mine"], "stages": [stage(term)]}}}
    sweep_file(tmp_path, seeds=[0], grid=grid)
    for number in (1, 2):
        first = supcon("sweep", "demo.yaml", cwd=tmp_path)
        assert first.wait() == 0, first.stderr
        assert f"plug-ins  {plugin}" in first.stderr
        again = supcon("sweep", "demo.yaml", cwd=tmp_path)
        assert again.wait() == 0, again.stderr
        assert "1 run, 1 of them finished before" in again.stderr
        assert "[1/1] a-s0 finished before, not run again" in again.stderr
        assert "ended" not in again.stderr and "epoch" not in again.stderr
        assert again.stdout == first.stdout
        plugin.write_text(PLUGIN.format(change=f"  # changed {number}"))
    assert len(list((tmp_path / "runs").glob("demo-*"))) == 2


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def start_run(self, title: str, details: Any) -> None:
        self.lines.append(title)

    def note(self, message: str) -> None:
        self.lines.append(message)

    warn = note


def test_runs_side_by_side_are_told_of(tmp_path: Path) -> None:
    sweep = load_sweep(sweep_file(tmp_path, seeds=[0]), ["data.noise.rate=0.1"])
    names = [child.name for child in sweep.children]
    done = tmp_path / names[0]
    done.mkdir()
    (done / "recipe.yaml").touch()
    (done / "results.json").touch()
    told, now = Told(), [0.0]
    progress = SweepProgress(told, sweep.children, tmp_path, 2, lambda: now[0])  # type: ignore[arg-type]
    progress.start("demo")
    progress.end(sweep.children[0], None)
    for name in names[1:3]:
        console_of(tmp_path / name).write_text(f"head\ntrain  epoch 1/9 of {name}\n\n")
    progress.look()
    now[0] += LOOK_SECONDS
    progress.look()
    progress.look()
    now[0] += 90
    progress.end(sweep.children[1], None)
    progress.end(sweep.children[2], f"{names[2]} failed: no reason")
    assert told.lines == [
        "demo: 4 runs, 1 of them finished before",
        f"[1/4] {names[0]} finished before, not run again",
        *(f"  {name}: train  epoch 1/9 of {name}" for name in names[1:3]),
        f"[2/4] {names[1]} ended; 2 runs to go, about 4 min",
        f"[3/4] {names[2]} failed: no reason",
    ]


def test_the_last_line_of_a_long_file(tmp_path: Path) -> None:
    file = tmp_path / "console.txt"
    file.write_text("")
    assert last_line(file) == ""
    file.write_text("é" * 10_000 + "\nlast\n \n")
    assert last_line(file) == "last"

"""``--only``: a part of a sweep now, the rest later, one folder and one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from supcon_ext.cli import main
from supcon_ext.sweep import chosen, load_sweep
from tests.fresh import supcon
from tests.sweep.test_sweep import sweep_file

RATE = "data.noise.rate"


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ([], ["ce-0.0-s3", "ce-0.0-s4", "ce-0.5-s3", "ce-0.5-s4"]),
        (["method=ce"], ["ce-0.0-s3", "ce-0.0-s4", "ce-0.5-s3", "ce-0.5-s4"]),
        (["seed=4", "method=ce"], ["ce-0.0-s4", "ce-0.5-s4"]),
        ([f"{RATE}=0.5", f"{RATE}=0.0", "method=ce", "seed=3"], ["ce-0.0-s3", "ce-0.5-s3"]),
        ([f"{RATE}=0.5", "method=ce", "method=ce", "seed=3"], ["ce-0.5-s3"]),
        (["method=supcon", "seed=3"], []),
    ],
)
def test_choices_of_an_axis_add_up_and_axes_cross(
    only: list[str], expected: list[str], tmp_path: Path
) -> None:
    found = [child.name for child in chosen(load_sweep(sweep_file(tmp_path)).children, only)]
    assert [name for name in found if name.startswith("ce")] == expected
    assert any(name.startswith("supcon") for name in found) == ("method=ce" not in only)


def test_an_axis_of_the_grid_called_seed_is_that_axis(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, grid={"seed": [7, 8]}, seeds=[0], seed_keys=["data.noise.seed"])
    assert [c.name for c in chosen(load_sweep(path).children, ["seed=8"])] == ["8-s0"]


@pytest.mark.parametrize(
    ("only", "words"),
    [
        ("method=cee", "Did you mean `ce`?"),
        ("method=zzz", "(there are: ce, supcon)"),
        ("metod=ce", "Did you mean `method`?"),
        ("epochs=3", "(there are: seed, method, data.noise.rate)"),
        ("data.noise.rate=0.25", "axis data.noise.rate in --only data.noise.rate=0.25"),
        ("seed=5", "(there are: 3, 4)"),
        ("ce", "Try: --only data.noise.rate=0.0"),
        ("", "Try: --only data.noise.rate=0.0"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_runs(only: str, words: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["sweep", str(sweep_file(tmp_path)), "--only", only])
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
    assert not (tmp_path / "runs").exists()


def finished(place: Path) -> tuple[set[str], set[str]]:
    """Names of the runs of the one sweep that have results, and of those in its table."""
    (folder,) = (each for each in (place / "runs").iterdir() if each.is_dir())
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    compared = {(row["variant"]["method"], row["variant"][RATE]) for row in rows}
    results = {each.parent.name for each in folder.glob("*/results.json")}
    return results, {f"{method}-{rate}-s3" for method, rate in compared}


def test_a_part_then_another_then_the_rest(tmp_path: Path) -> None:
    path = str(sweep_file(tmp_path, seeds=[3]))
    expected: set[str] = set()
    for part, new, told in (
        (["method=ce"], {"ce-0.0-s3", "ce-0.5-s3"}, "demo: 2 runs"),
        ([f"{RATE}=0.5", "seed=3"], {"supcon-0.5-s3"}, "2 runs, 1 of them finished before"),
        ([], {"supcon-0.0-s3"}, "4 runs, 3 of them finished before"),
    ):
        only = [word for choice in part for word in ("--only", choice)]
        done = supcon("sweep", path, *only, "--jobs", "1", cwd=tmp_path)
        assert done.wait() == 0, done.stderr
        assert told in done.stderr
        expected |= new
        assert finished(tmp_path) == (expected, expected)


@pytest.mark.long
def test_a_part_side_by_side(tmp_path: Path) -> None:
    path = str(sweep_file(tmp_path, seeds=[3]))
    done = supcon("sweep", path, "--only", "method=ce", "--jobs", "2", cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert finished(tmp_path) == ({"ce-0.0-s3", "ce-0.5-s3"},) * 2

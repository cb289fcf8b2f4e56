"""What Tab gives: commands, options, recipes, runs; in every shell, and quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from supcon_ext.cli import main
from tests.cli.test_startup import HEAVY
from tests.runs import made

CODE = (
    "import sys\n"
    "from supcon_ext.cli import main\n"
    "try:\n"
    "    main(prog_name='supcon')\n"
    "finally:\n"
    "    names = {name.partition('.')[0] for name in sys.modules}\n"
    "    print('LOADED', *sorted(names), file=sys.stderr)\n"
)


def completed(line: str) -> tuple[set[str], set[str]]:
    """What bash is offered at a line's end, and the modules loaded for it."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    environment = {**os.environ, **words, "_SUPCON_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split()), set(done.stderr.split("LOADED")[1].split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("supcon eva", {"plain,evaluate"}),
        ("supcon doctor --j", {"plain,--json"}),
        ("supcon run selcl/di", {"plain,selcl/digits", "file,selcl/di"}),
        ("supcon sweep quick", {"plain,quickstart", "file,quick"}),
        ("supcon resume to", {"plain,toy-s0", "plain,tower", "file,to"}),
        ("supcon compare toy-s0 tow", {"plain,tower", "file,tow"}),
        ("supcon runs remove toy", {"plain,toy-s0", "file,toy"}),
    ],
)
def test_tab(line: str, offered: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.run(tmp_path / "runs" / "toy-s0", "FINISHED")
    made.sweep(tmp_path / "runs" / "tower")
    (tmp_path / "runs" / "tools").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.chdir(tmp_path)
    found, loaded = completed(line)
    assert found == offered
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    told = CliRunner().invoke(main, ["completion", shell])
    assert told.exit_code == 0
    assert f"_SUPCON_COMPLETE={shell}_complete" in told.stdout and "supcon" in told.stdout

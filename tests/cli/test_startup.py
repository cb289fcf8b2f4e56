"""What is quick stays quick: no command's help and no listing loads anything heavy."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HEAVY = ("torch", "mlflow", "albumentations", "pandas", "numpy", "sklearn", "pydantic", "cv2")


def loaded_by(*arguments: str) -> tuple[set[str], str]:
    """Top-level modules that a command has loaded when it ends, and what it prints."""
    code = (
        "import sys\n"
        "from supcon_ext.cli import main\n"
        "try:\n"
        f"    main({list(arguments)!r}, prog_name='supcon')\n"
        "finally:\n"
        "    names = {name.partition('.')[0] for name in sys.modules}\n"
        "    print('LOADED', *sorted(names), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split("LOADED")[1].split()), done.stdout


STOPPED_AT = """
import os, runpy, signal, sys
class Stopping:
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stopping())
sys.argv = ["supcon", "recipes"]
{start}
"""
STARTS = {
    "supcon": "from supcon_ext.__main__ import entry; entry()",
    "python -m": "runpy.run_module('supcon_ext', run_name='__main__', alter_sys=True)",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "name",
    [
        "supcon_ext.cli",
        "click",
        "click.core",
        "supcon_ext.cli.audit",
        "supcon_ext.interrupt",
        "data_tools.whole_file",
        "supcon_ext.cli.sweep",
    ],
)
def test_stopped_while_it_is_loaded(name: str, start: str) -> None:
    code = STOPPED_AT.format(name=name, start=STARTS[start])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped: SIGINT\n")


def test_the_program_is_what_is_tried_here() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["scripts"] == {"supcon": "supcon_ext.__main__:entry"}


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("recipes",), ("recipes", "--json"), ("run", "--help"), ("completion", "fish")],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(arguments: tuple[str, ...]) -> None:
    loaded, output = loaded_by(*arguments)
    assert "click" in loaded
    assert not loaded & set(HEAVY)
    assert output


def test_every_command_is_in_the_help() -> None:
    _, output = loaded_by("--help")
    for command in (
        "run resume sweep runs compare recipes show validate components schema sync doctor".split()
    ):
        assert f"\n  {command} " in output

"""What is quick stays quick: no command's help and no listing loads anything heavy."""

from __future__ import annotations

import subprocess
import sys

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

"""Every command that is stopped by a signal, at moments all over its work.

It ends with 128 and the signal's number, says so in one line, leaves nothing half-written, and
does its work when it is given again. The moments are calls of functions of the package, counted.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image
from pydantic import BaseModel, field_serializer

import data_tools
import supcon_ext
from supcon_ext.cli import main
from supcon_ext.cli.group import CommandLine, user_input
from tests.cli.test_json import COMMANDS
from tests.experiment.tiny import recipe
from tests.fresh import start
from tests.runs import made
from tests.use import toy

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OURS = tuple(f"{Path(package.__path__[0])}{os.sep}" for package in (data_tools, supcon_ext))
SHARES = (0.05, 0.3, 0.6, 0.85, 0.97)


@dataclass(frozen=True)
class Case:
    """A command that does its work.

    Attributes:
        arguments: Of the command line.
        makes: What it may leave when it is stopped: beginnings of paths.
        answer: What is typed.
    """

    arguments: tuple[str, ...]
    makes: tuple[str, ...] = ()
    answer: str | None = None


QUICK: dict[str, Case] = {
    "runs": Case(("runs",)),
    "runs remove": Case(("runs", "remove", "gone-s0"), ("runs/gone-s0/",), "y\n"),
    "compare": Case(("compare", "one-s0", "--out", "tables"), ("tables/",)),
    "recipes": Case(("recipes",)),
    "recipes copy": Case(("recipes", "copy", "quickstart", "copied.yaml")),
    "show": Case(("show", "tiny.yaml")),
    "validate": Case(("validate", "tiny.yaml", "--data")),
    "components": Case(("components", "noise")),
    "schema": Case(("schema", "--write", "schema.json")),
    "doctor": Case(("doctor", "--uri", "none")),
    "completion": Case(("completion", "bash")),
    "predict": Case(("predict", "model", "pictures", "-o", "out.csv", "--force")),
    "export": Case(
        ("export", "model", "--format", "safetensors", "-o", "out", "--data", "pictures")
    ),
}
WITH_A_RUN: dict[str, Case] = {
    "run": Case(("run", "tiny.yaml"), ("runs/tiny-",)),
    "sweep": Case(("sweep", "sweep.yaml"), ("runs/few-",)),
    "resume": Case(("resume", "whole"), ("whole/",)),
    "sync": Case(("sync", "whole", "--uri", "sqlite:///m.db"), ("whole/mirror.json", "m")),
    "audit": Case(("audit", "whole", "--apply", "new.csv", "--force", "--yes"), ("whole/audit/",)),
    "report": Case(("report", "whole", "-o", "page.html", "--force")),
    "evaluate": Case(
        ("evaluate", "whole", "--by", "knn"),
        ("whole/evaluations/", "whole/journal.jsonl", "whole/mirror.json"),
    ),
    "embed": Case(
        ("embed", "whole", "tiny.yaml", "-o", "x.npz", "--split", "test", "--force"), (".x", "x")
    ),
    "filter": Case(
        ("filter", "made.csv", "--by", "readable", "--real", "tiny.yaml", "-o", "good.csv")
    ),
    "generate": Case(
        ("generate", "procedural", "-o", "drawn", "--captions", "4", "--keep-size", "16"),
        ("drawn",),
    ),
}
"""Those that take seconds."""


def test_every_command_is_stopped_here() -> None:
    assert {*QUICK, *WITH_A_RUN} == set(COMMANDS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")
    stage = {"name": "a", "epochs": 2, "objective": ["cross_entropy"]}
    values = recipe(stages=[stage], evaluation=["knn"], model={"backbone": "conv4"})
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**values, "name": "tiny"}))
    del values["name"]
    sweep = {"name": "few", "recipe": values, "grid": {"data.noise.rate": [0.2]}}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    draw, lines = np.random.default_rng(0), ["path,caption,class,seed"]
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
        lines.append(f"pictures/{number}.png,a {number},{number},{number}")
    (tmp_path / "made.csv").write_text("\n".join(lines) + "\n")
    toy.write(tmp_path / "model", toy.context())
    for name in ("one-s0", "gone-s0"):
        made.run(tmp_path / "runs" / name, "FINISHED")
    return tmp_path


def supcon(case: Case) -> Result:
    return CliRunner().invoke(main, case.arguments, input=case.answer)


def is_counted(frame: FrameType) -> bool:
    """Whether it is a function of the package; a generator that is closed tells nobody."""
    code = frame.f_code
    return code.co_filename.startswith(OURS) and not code.co_flags & inspect.CO_GENERATOR


@contextmanager
def counted(name: str, number: int = 0, signal_number: int = 0) -> Iterator[list[int]]:
    """Count the calls of the package's functions; at one of them the process gets a signal.

    They are counted from where the command's own function begins.
    """
    callback: Any = COMMANDS[name].callback
    begins, calls = inspect.unwrap(callback).__code__, [0]

    def seen(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and is_counted(frame) and (calls[0] or frame.f_code is begins):
            calls[0] += 1
            if calls[0] == number:
                os.kill(os.getpid(), signal_number)

    sys.setprofile(seen)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def tree(folder: Path) -> dict[str, str]:
    """Every file with its digest; an empty folder has none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def started_anew(folder: Path, kept: Path) -> None:
    """The folder as it was."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(kept, folder, dirs_exist_ok=True)


def stopped_everywhere(name: str, case: Case, here: Path, kept: Path) -> None:
    shutil.copytree(here, kept)
    assert supcon(case).exit_code == 0  # what is imported and cached only once is not counted
    started_anew(here, kept)
    with counted(name) as calls:
        done = supcon(case)
    assert done.exit_code == 0, (done.output, done.exception)
    before = tree(kept)
    for place, share in enumerate(SHARES):
        number = SIGNALS[place % 3]
        told = stopped_at(share, name, case, calls[0], number, here, kept)
        at = f"at {share:.0%} of {calls[0]} calls: {told.output[-2_000:]}"
        assert told.exit_code == 128 + number, at
        lines = [line for line in told.stderr.splitlines() if line.startswith("Stopped")]
        assert len(lines) == 1 and signal.Signals(number).name in lines[0], at
        assert "Traceback" not in told.output and "Exception ignored" not in told.output, at
        now = tree(here)
        assert not [file for file in now if "draft" in file], at
        changed = {file for file in {*now, *before} if now.get(file) != before.get(file)}
        assert not [file for file in changed if not file.startswith(case.makes or ("\0",))], at
        gone = name == "runs remove" and not (here / "runs" / "gone-s0").exists()
        again = supcon(case)
        assert again.exit_code == (2 if gone else 0), (at, again.output, again.exception)


def stopped_at(
    share: float, name: str, case: Case, calls: int, number: int, here: Path, kept: Path
) -> Result:
    """What it told that got a signal after this share of its calls.

    How many there are is not wholly the same each time: what progress tells depends on the clock.
    Where it came to its end before so many, so that no signal was sent, it is the share of these.
    """
    for _ in range(5):
        started_anew(here, kept)
        with counted(name, moment := max(1, int(share * calls)), number) as made:
            told = supcon(case)
        if made[0] >= moment:
            return told
        calls = made[0]
    raise AssertionError(f"never as many as {share:.0%} of the calls before")


LONG = {"schema", "validate", "doctor", "compare", "export"}
MOMENTS = [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in QUICK]


@pytest.mark.parametrize("name", MOMENTS)
def test_stopped_at_any_moment(name: str, here: Path, tmp_path_factory: Any) -> None:
    stopped_everywhere(name, QUICK[name], here, tmp_path_factory.mktemp("kept") / "place")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    place = tmp_path_factory.mktemp("whole")
    stage = {"name": "a", "epochs": 1, "objective": ["cross_entropy"]}
    values = recipe(stages=[stage], evaluation=["knn"], model={"backbone": "conv4"})
    file = place / "tiny.yaml"
    file.write_text(yaml.safe_dump({**values, "name": "tiny"}))
    told = CliRunner().invoke(main, ["run", str(file), f"tracking.folder={place / 'runs'}"])
    assert told.exit_code == 0, told.output
    (run,) = (place / "runs").glob("tiny-*")
    return run


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WITH_A_RUN)
def test_stopped_at_any_moment_of_longer_work(
    name: str, here: Path, whole: Path, tmp_path_factory: Any
) -> None:
    shutil.copytree(whole, here / "whole")
    stopped_everywhere(name, WITH_A_RUN[name], here, tmp_path_factory.mktemp("kept") / "place")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", COMMANDS)
def test_stopped_as_it_begins(
    name: str, number: signal.Signals, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = {**QUICK, **WITH_A_RUN}[name]
    command = COMMANDS[name]
    callback: Callable[..., Any] | None = command.callback
    assert callback is not None

    def stopping(*args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), number)
        return callback(*args, **kwargs)

    monkeypatch.setattr(command, "callback", stopping)
    before = tree(here)
    told = supcon(case)
    assert told.exit_code == 128 + number, told.output
    assert told.stderr == f"Stopped: {number.name}\n" and told.stdout == ""
    assert tree(here) == before


WRITERS = ("recipes copy", "schema", "predict", "export", "compare", "report", "evaluate", "audit")
"""Commands that write where the next one writes again."""


def killed_amid_writing(arguments: tuple[str, ...]) -> None:
    """A command whose process ends where its first draft would become a file or a folder."""
    replace = os.replace

    def kill(draft: Any, path: Any) -> None:
        if Path(path).absolute().is_relative_to(Path.cwd()):  # not a cache
            os._exit(9)
        replace(draft, path)

    os.replace = kill
    main(list(arguments), prog_name="supcon")


@pytest.mark.parametrize("name", WRITERS)
def test_the_next_command_removes_what_a_killed_one_left(
    name: str, here: Path, whole: Path
) -> None:
    shutil.copytree(whole, here / "whole")
    (here / "tables").mkdir()
    case = {**QUICK, **WITH_A_RUN}[name]
    killed = start(killed_amid_writing, case.arguments, cwd=here)
    assert killed.wait() == 9, killed.stderr
    assert [path for path in here.rglob("*") if "draft" in path.name]
    done = supcon(case)
    assert done.exit_code == 0, (done.output, done.exception)
    assert not [path for path in here.rglob("*") if "draft" in path.name]


def slow_amid_writing(arguments: tuple[str, ...]) -> None:
    """A command that is asked to stop, and is kept busy, where its first draft would be whole."""

    replace = os.replace

    def busy(draft: Any, path: Any) -> None:
        if Path(path).absolute().is_relative_to(Path.cwd()):
            os.system(f"kill -TERM {os.getpid()}; exec sleep 200")  # one call, which goes on
        replace(draft, path)

    os.replace = busy
    main(list(arguments), prog_name="supcon")


@pytest.mark.parametrize(
    "name",
    ["recipes copy", *(pytest.param(n, marks=pytest.mark.long) for n in ("export", "schema"))],
)
def test_a_stop_that_is_not_answered_in_time_leaves_nothing(name: str, here: Path) -> None:
    ended = start(slow_amid_writing, QUICK[name].arguments, cwd=here)
    assert ended.wait() == 143, ended.stderr
    os.killpg(ended.pid, signal.SIGKILL)
    assert "took longer than 4 s" in ended.stderr
    assert not [path for path in here.rglob("*") if "draft" in path.name]


class Dumped(BaseModel):
    """What is asked to stop while it is made plain values of."""

    number: int

    @field_serializer("number")
    def asked(self, number: int) -> int:
        os.kill(os.getpid(), number)
        return number


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("guard", [user_input, nullcontext])
def test_a_library_that_makes_another_error_of_it(number: signal.Signals, guard: Any) -> None:
    @click.command()
    def dump() -> None:
        with guard():
            Dumped(number=number).model_dump()

    @click.command()
    def full() -> None:
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            with guard():
                raise OSError(errno.ENOSPC, "No space left on device") from None

    group = CommandLine("supcon", commands={"dump": dump, "full": full})
    told = CliRunner().invoke(group, ["dump"])
    assert (told.exit_code, told.stderr) == (128 + number, f"Stopped: {number.name}\n")
    told = CliRunner().invoke(group, ["full"])  # what went wrong on the way is still told
    assert told.exit_code in (1, 2) and "No space left" in told.stderr


class Waiting(io.BytesIO):
    """An answer that does not come: a signal does."""

    def read1(self, size: int | None = -1, /) -> bytes:
        os.kill(os.getpid(), signal.SIGTERM)
        return b""


def test_a_question_is_stopped_too(here: Path) -> None:
    told = CliRunner().invoke(main, ["runs", "remove", "gone-s0"], input=Waiting())
    assert told.exit_code == 143 and "Stopped: SIGTERM" in told.stderr, told.output
    assert "Aborted" not in told.output
    assert (here / "runs" / "gone-s0" / "recipe.yaml").is_file()


def test_what_is_not_answered_is_aborted_as_ever() -> None:
    told = CliRunner().invoke(main, ["runs", "remove", "gone-s0"], input="")
    assert told.exit_code == 1 and "Stopped" not in told.output


def test_a_half_removed_sweep_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is removed whole, and then the signal is answered, before the next one."""
    from supcon_ext.runs import remove

    made.sweep(here / "runs" / "few-123456", "FINISHED", count=3)
    whole = remove._remove

    def removing(folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        whole(folder)

    monkeypatch.setattr(remove, "_remove", removing)
    told = CliRunner().invoke(main, ["runs", "remove", "few-123456", "--yes"])
    assert told.exit_code == 130 and "Stopped: SIGINT" in told.stderr
    left = [path.name for path in (here / "runs" / "few-123456").iterdir() if path.is_dir()]
    assert len(left) == 2
    monkeypatch.setattr(remove, "_remove", whole)
    again = CliRunner().invoke(main, ["runs", "remove", "few-123456", "--yes"])
    assert again.exit_code == 0 and not (here / "runs" / "few-123456").exists()

"""Killed or stopped at any moment, `supcon embed` goes on to the same bytes, and leaves no half."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from data_tools.vector_file import read_vectors
from supcon_ext import embed_pictures
from supcon_ext.embed.partial import PartialVectors
from tests.embed import pictures
from tests.fresh import Fresh, start_supcon, supcon

ENCODER = "tests.embed.slow_encoder.means"
COMMAND = ("embed", ENCODER, "pics", "-o", "out.npz", "--size", "16", "--batch", "4")
COMMAND += ("--views", "2", "--policy", "simaugment", "--device", "cpu")
COUNT = 72
ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("embed")
    pictures.by_class(made / "pics", COUNT // 3)
    return made


@pytest.fixture(scope="module")
def whole(folder: Path) -> bytes:
    done = supcon(*COMMAND, cwd=folder, env={"PYTHONPATH": ROOT})
    assert done.wait() == 0, done.stderr
    content = (folder / "out.npz").read_bytes()
    (folder / "out.npz").unlink()
    return content


def slowly(folder: Path, *more: str) -> Fresh:
    return start_supcon(*COMMAND, *more, cwd=folder, env={"SLOW_ENCODER": "0.15"})


def made_of(folder: Path) -> int:
    state = folder / "out.npz.part" / "state.json"
    try:
        return int(json.loads(state.read_text())["done"])
    except FileNotFoundError:
        return 0


def goes_on(folder: Path, whole: bytes, *more: str) -> Fresh:
    assert not (folder / "out.npz").exists()
    done = supcon(*COMMAND, *more, cwd=folder)
    assert done.wait() == 0, done.stderr
    assert (folder / "out.npz").read_bytes() == whole
    assert not (folder / "out.npz.part").exists()
    (folder / "out.npz").unlink()
    return done


@pytest.mark.parametrize(
    "least", [1, *(pytest.param(rows, marks=pytest.mark.long) for rows in (0, 20, 50))]
)
def test_killed(least: int, folder: Path, whole: bytes) -> None:
    process = slowly(folder)
    process.wait_for((folder / "out.npz.part").exists)
    process.wait_for(lambda: made_of(folder) >= least)
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = made_of(folder)
    said = goes_on(folder, whole).stderr
    assert (f"going on after {done:,} pictures" in said) == (done > 0)


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGTERM, "0"),
        (signal.SIGINT, "0"),
        *(
            pytest.param(number, workers, marks=pytest.mark.long)
            for number, workers in [
                (signal.SIGTERM, "1"),
                (signal.SIGINT, "1"),
                (signal.SIGHUP, "0"),
                (signal.SIGHUP, "1"),
            ]
        ),
    ],
)
def test_asked_to_stop(number: int, workers: str, folder: Path, whole: bytes) -> None:
    process = slowly(folder, "--workers", workers)
    process.wait_for(lambda: made_of(folder) > 0)
    process.send(number, group=True)
    assert process.wait(10) == 128 + number, process.stderr
    done = made_of(folder)
    (line,) = [line for line in process.stderr.splitlines() if line.startswith("Stopped")]
    name = signal.Signals(number).name
    assert line == (
        f"Stopped: {name} after {done:,} of {COUNT} pictures; the same command goes on there"
    )
    goes_on(folder, whole)


@pytest.mark.long
def test_any_number_of_workers(folder: Path, whole: bytes) -> None:
    goes_on(folder, whole, "--workers", "2")


def test_what_came_after_the_last_state_is_made_again(folder: Path, whole: bytes) -> None:
    process = slowly(folder)
    process.wait_for(lambda: made_of(folder) > 0)
    process.send(signal.SIGKILL)
    process.wait()
    with (folder / "out.npz.part" / "rows.bin").open("ab") as rows:
        rows.write(b"half of a row")
    goes_on(folder, whole)


def test_a_folder_that_lost_rows_begins_anew(folder: Path, whole: bytes) -> None:
    process = slowly(folder)
    process.wait_for(lambda: made_of(folder) > 0)
    process.send(signal.SIGKILL)
    process.wait()
    (folder / "out.npz.part" / "rows.bin").write_bytes(b"")
    assert "begun anew" in goes_on(folder, whole).stderr


@pytest.mark.parametrize("change", ["argument", pytest.param("pictures", marks=pytest.mark.long)])
def test_other_arguments_or_pictures_begin_anew(change: str, tmp_path: Path) -> None:
    paths = pictures.by_class(tmp_path / "pics", COUNT // 3)
    process = slowly(tmp_path)
    process.wait_for(lambda: made_of(tmp_path) > 0)
    process.send(signal.SIGKILL)
    process.wait()
    more = ("--seed", "1") if change == "argument" else ()
    if change == "pictures":
        pictures.draw(paths[-1], 1000)
    done = supcon(*COMMAND, *more, cwd=tmp_path)
    assert done.wait() == 0 and "begun anew: " in done.stderr and "going on" not in done.stderr
    content = (tmp_path / "out.npz").read_bytes()
    again = supcon(*COMMAND, *more, "--force", cwd=tmp_path)
    assert again.wait() == 0
    assert (tmp_path / "out.npz").read_bytes() == content


def test_two_at_once(folder: Path, whole: bytes) -> None:
    first = slowly(folder)
    first.wait_for(lambda: made_of(folder) > 0)
    second = supcon(*COMMAND, cwd=folder)
    assert second.wait() == 2
    assert "out.npz.part to be free, but process" in second.stderr
    assert first.wait() == 0, first.stderr
    assert (folder / "out.npz").read_bytes() == whole
    (folder / "out.npz").unlink()


def test_called_again_when_done(folder: Path, whole: bytes) -> None:
    (folder / "out.npz").write_bytes(whole)
    again = supcon(*COMMAND, cwd=folder)
    assert again.wait() == 0
    assert again.stdout.startswith("out.npz is there already: 72 x 2 x 6")
    other = supcon(*COMMAND, "--half", cwd=folder)
    assert other.wait() == 2 and "Try: --force" in other.stderr
    assert (folder / "out.npz").read_bytes() == whole
    (folder / "out.npz").write_bytes(whole[:1000])
    damaged = supcon(*COMMAND, cwd=folder)
    assert damaged.wait() == 2 and "Try: --force" in damaged.stderr
    assert supcon(*COMMAND, "--force", cwd=folder).wait() == 0
    assert (folder / "out.npz").read_bytes() == whole
    (folder / "out.npz").unlink()


def test_a_picture_gone_before_a_stop_is_gone_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = pictures.by_class(tmp_path / "pics", 4)
    body = bytearray(paths[1].read_bytes())
    body[len(body) // 2] ^= 0xFF
    paths[1].write_bytes(bytes(body))
    settings = {"size": 16, "batch": 4, "device": "cpu", "skip_bad": True}
    embed_pictures(ENCODER, "pics", "one.npz", **settings)
    append, calls = PartialVectors.append, []

    def stopping(partial: PartialVectors, rows: np.ndarray, gone: list[int]) -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(gone)
        append(partial, rows, gone)

    with monkeypatch.context() as patch:
        patch.setattr(PartialVectors, "append", stopping)
        with pytest.raises(KeyboardInterrupt):
            embed_pictures(ENCODER, "pics", "two.npz", **settings)
    assert calls == [[1], []]
    result = embed_pictures(ENCODER, "pics", "two.npz", **settings)
    assert result.left_out == 1 and result.shape == (11, 6)
    assert Path("two.npz").read_bytes() == Path("one.npz").read_bytes()
    assert len(read_vectors("two.npz")) == 11
    shutil.rmtree("pics")

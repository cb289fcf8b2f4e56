"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from data_tools.whole_file import (
    DRAFT,
    remove_drafts,
    remove_own_drafts,
    whole_file,
    whole_folder,
    write_whole,
)


def test_text_bytes_and_the_ending_that_libraries_look_at(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "é")
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()
    write_whole(tmp_path / "a.txt", b"\x00")
    assert (tmp_path / "a.txt").read_bytes() == b"\x00"
    with whole_file(tmp_path / "b.npz") as draft:
        np.savez(draft, x=np.arange(3))
        assert not (tmp_path / "b.npz").exists()
    assert np.load(tmp_path / "b.npz")["x"].tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x")], ids=repr)
def test_the_former_file_stays_when_writing_fails(tmp_path: Path, error: BaseException) -> None:
    write_whole(tmp_path / "a", "before")
    with pytest.raises(type(error)), whole_file(tmp_path / "a") as draft:
        draft.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, whole_file(tmp_path / "a") as draft:
        draft.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "a")
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def killed_amid(path: Path, *, folder: bool = False) -> Path:
    """The draft that a process leaves which is killed while it writes."""
    if (process := os.fork()) == 0:
        if folder:
            with whole_folder(path) as draft:
                (draft / "half").mkdir()
                (draft / "half" / "a").write_text("half")
                os._exit(0)
        with whole_file(path) as draft:
            draft.write_text("half")
            os._exit(0)
    os.waitpid(process, 0)
    (left,) = (each for each in path.parent.iterdir() if DRAFT.fullmatch(each.name))
    return left


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_the_next_one_that_writes_there_removes_it(
    folder: bool, again: bool, tmp_path: Path
) -> None:
    left = killed_amid(tmp_path / "a.b", folder=folder)
    told = DRAFT.fullmatch(left.name)
    assert told is not None and told["stem"] + told["suffix"] == "a.b"
    machine, process = told["machine"], told["process"]
    others = {
        left.name.replace(process, str(os.getppid())): "a process that lives",
        left.name.replace(machine, "0" * 8): "another machine's",
        left.name.replace(process, "9" * 30): "no process",
        f".a.{process}.draft": "a file of the user's",
    }
    for name, why in others.items():
        (tmp_path / name).write_text(why)
    if again:
        with whole_folder(tmp_path / "new") as draft:
            assert not left.exists() and draft.is_dir()
    else:
        write_whole(tmp_path / "new", "x")
    assert {path.name for path in tmp_path.iterdir()} == {"new", *others}


def test_what_is_under_way_is_removed_before_an_end(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError),
        whole_folder(tmp_path / "made") as draft,
        whole_file(tmp_path / "a.txt") as file,
    ):
        file.write_text("half")
        (draft / "half").write_text("half")
        remove_own_drafts()
        assert list(tmp_path.iterdir()) == []
    write_whole(tmp_path / "b", "x")
    remove_own_drafts()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    killed_amid(tmp_path / "sub" / "a.json")
    killed_amid(tmp_path / "b", folder=True)
    (tmp_path / ".hidden").write_text("not ours")
    assert len(list((tmp_path / "sub").iterdir())) == 1 and len(list(tmp_path.iterdir())) == 3
    remove_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "sub"]

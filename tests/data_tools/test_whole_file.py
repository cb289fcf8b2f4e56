"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from data_tools.whole_file import remove_drafts, whole_file, write_whole


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


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    if (process := os.fork()) == 0:
        with whole_file(tmp_path / "sub" / "a.json") as draft:
            draft.write_text("half")
            os._exit(0)
    os.waitpid(process, 0)
    (tmp_path / ".hidden").write_text("not ours")
    assert len(list((tmp_path / "sub").iterdir())) == 1
    remove_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "sub"]

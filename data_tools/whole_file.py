"""Files that are whole or not there: written beside their place, forced to the disk, renamed.

What a killed process was writing stays as a hidden draft, whose name says which process of which
machine it was of; the next one that writes to the same folder removes it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

DRAFT_END = ".draft"
DRAFT = re.compile(
    r"\.(?P<stem>.+)\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)\.draft(?P<suffix>.*)"
)
_under_way: set[Path] = set()


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A place to write a file to, which becomes ``path`` when the ``with`` block ends well.

    A kill or a power cut at any moment leaves the former file or the new one, never half of it.
    Where the block raises, or the disk is full, the draft is removed and the former file stays.

    Args:
        path: The file to make or to replace. Its folder must be there.

    Yields:
        A path in the same folder that ends as ``path`` does, so that libraries which choose a
        format by the ending choose the same.

    Raises:
        OSError: The file cannot be written; ``filename`` is ``path``, also where the disk is full.
    """
    path = Path(path)
    draft = _draft(path, path.stem, path.suffix)
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
        _force(path.parent)
    except BaseException as error:
        _remove(draft)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        _under_way.discard(draft)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``path`` when the ``with`` block ends well.

    Where the block raises, the draft is removed.

    Args:
        path: The folder to make; it must not be there, or be empty. The one above it must be.

    Yields:
        An empty folder beside it.

    Raises:
        OSError: It cannot be made.
    """
    path = Path(path)
    draft = _draft(path, path.name, "")
    try:
        draft.mkdir()
        yield draft
        os.replace(draft, path)
        _force(path.parent)
    except BaseException:
        _remove(draft)
        raise
    finally:
        _under_way.discard(draft)


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes to a file, whole or not at all; see :func:`whole_file`."""
    data = content.encode() if isinstance(content, str) else content
    with whole_file(path) as draft:
        draft.write_bytes(data)


def remove_drafts(folder: Path) -> None:
    """Remove what killed processes left half-written below a folder that nobody else writes to."""
    for draft in list(folder.rglob(f".*{DRAFT_END}*")):
        _remove(draft)


def remove_own_drafts() -> None:
    """Remove what this process is writing, which is about to be ended in the middle of it."""
    for draft in tuple(_under_way):
        _remove(draft)


def _draft(path: Path, stem: str, suffix: str) -> Path:
    """The draft of a file or a folder; those that killed processes left beside it are removed."""
    _remove_left(os.path.abspath(path.parent))
    draft = path.with_name(f".{stem}.{_machine()}-{os.getpid()}{DRAFT_END}{suffix}")
    _under_way.add(draft)
    return draft


@cache
def _remove_left(folder: str) -> None:
    """Remove the drafts of processes of this machine that are no more; once for each folder."""
    with suppress(OSError):
        for name in os.listdir(folder):
            draft = DRAFT.fullmatch(name)
            if draft and draft["machine"] == _machine() and not _lives(int(draft["process"])):
                _remove(Path(folder, name))


@cache
def _machine() -> str:
    """Where process numbers are told apart: the host, and the container in it."""
    container = 0
    with suppress(OSError):  # where there are none
        container = os.stat("/proc/self/ns/pid").st_ino
    return f"{zlib.crc32(f'{socket.gethostname()} {container}'.encode()):08x}"


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _force(folder: Path) -> None:
    """Force a folder's list of files to the disk, where the system can."""
    with suppress(OSError):  # some file systems, and Windows, know no such thing
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

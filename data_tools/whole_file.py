"""Files that are whole or not there: written beside their place, forced to the disk, renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT_END = ".draft"


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
    draft = path.with_name(f".{path.stem}.{os.getpid()}{DRAFT_END}{path.suffix}")
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
        _force(path.parent)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


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
    draft = path.with_name(f".{path.name}.{os.getpid()}{DRAFT_END}")
    draft.mkdir()
    try:
        yield draft
        os.replace(draft, path)
        _force(path.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_whole(path: str | Path, content: str | bytes) -> None:
    """Write text (UTF-8) or bytes to a file, whole or not at all; see :func:`whole_file`."""
    data = content.encode() if isinstance(content, str) else content
    with whole_file(path) as draft:
        draft.write_bytes(data)


def remove_drafts(folder: Path) -> None:
    """Remove what killed processes left half-written below a folder that nobody else writes to."""
    for draft in folder.rglob(f".*{DRAFT_END}*"):
        with suppress(OSError):
            draft.unlink()


def _force(folder: Path) -> None:
    """Force a folder's list of files to the disk, where the system can."""
    with suppress(OSError):  # some file systems, and Windows, know no such thing
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

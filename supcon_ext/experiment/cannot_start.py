"""What can be known to be wrong before anything is trained or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CannotStart(ValueError):
    """A mistake in the recipe, the data, the environment or the run folder: nothing was begun."""


@contextmanager
def starting() -> Iterator[None]:
    """Preparations: what goes wrong in here is the user's to mend.

    Raises:
        CannotStart: In place of ``ValueError``, ``OSError`` and ``ImportError``.
    """
    try:
        yield
    except CannotStart:
        raise
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise CannotStart(f"{error.strerror}{place}" if error.strerror else str(error)) from error
    except (ValueError, ImportError) as error:
        raise CannotStart(str(error) or type(error).__name__) from error

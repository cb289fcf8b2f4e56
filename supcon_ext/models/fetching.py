"""Published weights that may have to come over the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class NotFetched(ValueError):
    """Published weights that could not be had.

    Attributes:
        reason: Why, in words.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            f"Expected {what}, but they cannot be fetched: {reason}. Try: once with a network "
            "connection, or model.weights with the path of a file of them"
        )
        self.reason = reason


@contextmanager
def fetching(what: str) -> Iterator[None]:
    """While open, published weights are fetched: what a library raises then is told in one line.

    Args:
        what: Which weights, in words.

    Raises:
        NotFetched: They could not be had, for whatever reason.
    """
    try:
        yield
    except TypeError:  # an argument that the model does not take
        raise
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise NotFetched(what, f"{type(error).__name__}: {first}") from error

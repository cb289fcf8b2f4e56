"""What the first process made, as it is sent to the others: pictures in a file stay there."""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data_tools.mapped_array import ArrayPlace, MappedArray


class NotHere(Exception):
    """An array's file is not on this machine, or is another one."""


@dataclass(frozen=True)
class Parcel:
    """What is sent.

    Attributes:
        content: Pickled; in place of an image array that is mapped from a file stand the file's
            path, where in it the numbers lie, and their digest.
        files: How many arrays are not in it.
    """

    content: bytes = field(repr=False)
    files: int

    def opened(self) -> Any:
        """What was sent; its arrays are mapped here.

        Raises:
            NotHere: A file is not on this machine, or holds something else.
        """
        return _Reader(io.BytesIO(self.content)).load()


def parcel(made: Any, whole: bool = False) -> Parcel:
    """What was made, ready to be sent.

    Args:
        made: Anything that pickle takes.
        whole: Whether arrays that lie in a file are in the parcel, for machines without it.
    """
    content = io.BytesIO()
    writer = _Writer(content, whole)
    writer.dump(made)
    return Parcel(content.getvalue(), len(writer.digests))


class _Writer(pickle.Pickler):
    def __init__(self, content: io.BytesIO, whole: bool) -> None:
        super().__init__(content, protocol=pickle.HIGHEST_PROTOCOL)
        self.whole = whole
        self.digests: dict[ArrayPlace, str] = {}

    def persistent_id(self, made: Any) -> Any:
        if self.whole or not isinstance(made, MappedArray):
            return None
        if made.place not in self.digests:
            self.digests[made.place] = _digest(made)
        return made.place, self.digests[made.place]

    def reducer_override(self, made: Any) -> Any:
        return (np.asarray, (made.read(),)) if isinstance(made, MappedArray) else NotImplemented


class _Reader(pickle.Unpickler):
    def persistent_load(self, told: Any) -> MappedArray:
        place, digest = told
        try:
            here = MappedArray(place)
        except (OSError, ValueError) as error:
            raise NotHere(str(place.path)) from error
        if _digest(here) != digest:
            raise NotHere(str(place.path))
        return here


def _digest(made: MappedArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(made.pixels).data).hexdigest()

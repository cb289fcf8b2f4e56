"""How files of pictures are read that say nothing of it themselves."""

from __future__ import annotations

from typing import NamedTuple

from data_tools.picture import Mode


class Reading(NamedTuple):
    """How files of pictures are read: see :class:`~data_tools.image_files.ImageFiles`.

    Attributes:
        mode: ``rgb`` or ``grey``, 8 bits; ``stored`` keeps the channels and depth of the files.
        scale: The stored value that stands for 1, with ``stored``.
    """

    mode: Mode
    scale: float | None


EIGHT_BIT_COLOUR = Reading("rgb", None)

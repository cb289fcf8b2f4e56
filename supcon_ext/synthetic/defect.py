"""What can be wrong with synthetic samples, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Fate = Literal["refused", "left out", "told"]
"""What a defect does: its source is refused, its sample is not used, or it is only told of."""


class Kind(NamedTuple):
    """A kind of defects.

    Attributes:
        words: What such samples are, in a heading.
        rule: The parameter of the source that decides on it; or the fate, where none does.
    """

    words: str
    rule: str


KINDS: dict[str, Kind] = {
    "missing": Kind("files that are not there", "bad"),
    "unreadable": Kind("files that cannot be read as an image of this set", "bad"),
    "extension": Kind("rows whose file has no known image extension", "bad"),
    "outside": Kind("files outside of their root, by their path or by a link", "bad"),
    "bomb": Kind("decompression bombs", "bad"),
    "small": Kind("images that are too small", "bad"),
    "black": Kind("black images", "bad"),
    "constant": Kind("images of one colour", "bad"),
    "quality": Kind("qualities that are no number in [0, 1]", "refused"),
    "word": Kind("splits or domains that are not known", "refused"),
    "fields": Kind("lines that are no path and caption", "refused"),
    "caption": Kind("captions that are empty or no UTF-8 text", "refused"),
    "two_captions": Kind("caption ids with more than one text", "refused"),
    "one_caption": Kind("captions that all are the same", "refused"),
    "unknown_class": Kind("classes that the real data set has not", "unknown_classes"),
    "held_out_parent": Kind("samples made from a validation or test image", "refused"),
    "unknown_parent": Kind("parents that are no training sample", "unknown_parents"),
    "leak": Kind("copies of validation or test samples", "leaks"),
    "copy": Kind("copies of training samples", "duplicates"),
    "duplicate": Kind("equal samples of one caption or class", "duplicates"),
    "source": Kind("files of the source that cannot be understood", "refused"),
    "nothing": Kind("sources without a sample that can be used", "refused"),
    "stray": Kind("files that are no images or lie in no folder", "told"),
    "other_row": Kind("rows of real images, or of other splits than train", "told"),
    "merged": Kind("captions that came more than once, merged by their normalised text", "told"),
    "lone": Kind("captions with one sample", "told"),
}
"""In the order of reports."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with a source, or that is worth knowing.

    Attributes:
        kind: Of :data:`KINDS`.
        where: ``line 3 of made.csv``, or the file.
        what: What is there.
        file: The image that it is about, or empty.
        row: Place of the sample that it is about among those listed; -1 for none.
    """

    kind: str
    where: str
    what: str
    file: str = ""
    row: int = -1

    @property
    def text(self) -> str:
        """Where and what."""
        return f"{self.where}: {self.what}" if self.where else self.what

"""Sources whose samples are image files: each opened, decoded and measured before it is used."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from data_tools.image_check import OUTSIDE, check_files
from data_tools.image_facts import Facts
from data_tools.image_files import (
    TOO_LARGE,
    ImageFiles,
    disagreement,
    suffix_of,
    suffixes_of,
)
from data_tools.input_spec import SCALES, InputSpec
from data_tools.picture import Mode
from data_tools.picture_reading import Reading
from data_tools.prepared import PreparedData
from data_tools.samples import IntArray, SampleSequence, SampleSet
from data_tools.source_check import files_of
from supcon_ext.synthetic.checked_source import CheckedSource, Look
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.listing import ListedRow, Listing
from supcon_ext.synthetic.real_digests import sides_of
from supcon_ext.synthetic.source import Progress


def reading_of(real: SampleSet) -> Reading:
    """How files are read that stand beside a real set of images.

    Raises:
        ValueError: The real samples are no images.
    """
    spec = real.spec
    if spec.kind != "image":
        raise ValueError(
            "Expected a real data set of images beside synthetic images, but it is one of "
            f"{spec.kind}s. Try: `kind: vectors`, the file of the images' vectors."
        )
    files = files_of(real)
    if files is not None:
        return Reading(files[0].mode, files[0].scale)
    if spec.is_eight_bits and spec.channels in (1, 3):
        return Reading("grey" if spec.channels == 1 else "rgb", None)
    return Reading("stored", None if spec.scale == SCALES[spec.dtype] else spec.scale)


@dataclass(kw_only=True, eq=False)
class ImageSource(CheckedSource):
    """A list of image files.

    Args:
        bad: What files do that are missing, unreadable, too small, of one colour, of an unknown
            extension, outside of their root or larger than Pillow opens without a warning:
            ``error`` refuses the source, ``skip`` leaves them out.
        smallest: Pixels of the shorter side below which an image is too small.
        outside: Whether files may lie outside of their root, by their path or by a link.
    """

    bad: Literal["error", "skip"] = "error"
    smallest: Annotated[int, Field(ge=1)] = 8
    outside: bool = False

    def listing(self, real: PreparedData) -> Listing:
        """What the source names; see :meth:`rows`."""
        return self.rows(reading_of(real.train).mode)

    @abstractmethod
    def rows(self, mode: Mode) -> Listing:
        """What the source names, where files are read in a mode.

        Raises:
            ValueError: A file of the source cannot be understood. The message says where.
            FileNotFoundError: It is not there.
        """

    def look(self, listing: Listing, real: PreparedData, progress: Progress | None) -> list[Look]:
        """Look at the files; see :class:`CheckedSource`."""
        reading, spec = reading_of(real.train), real.train.spec
        known = suffixes_of(reading.mode)
        by_root: dict[str, list[str]] = {}
        for row in listing.rows:
            if suffix_of(row.file) in known:
                by_root.setdefault(row.root, []).append(row.file)
        facts = {
            root: self._facts(paths, root, reading, progress) for root, paths in by_root.items()
        }
        looks = []
        for number, row in enumerate(listing.rows):
            one = facts[row.root][row.file] if suffix_of(row.file) in known else None
            fault = ("extension", row.name) if one is None else self._fault(row, one, spec, reading)
            if fault is not None:
                kind, what = fault
                listing.defects.append(Defect(kind, row.where, what, row.file, number))
            usable = one if fault is None else None
            looks.append(Look() if usable is None else Look((usable.digest,), sides_of(usable)))
        return looks

    def samples(
        self, listing: Listing, looks: Sequence[Look], kept: IntArray, real: PreparedData
    ) -> tuple[SampleSequence, InputSpec]:
        """The files, read when asked for."""
        reading, spec = reading_of(real.train), real.train.spec
        paths = [listing.rows[place].file for place in kept]
        files = ImageFiles(paths, reading.mode, None, reading.scale)
        if reading.mode == "stored":
            files.expected = spec.channels, spec.dtype
        files.skip_bad = self.bad == "skip"
        sides = {side for place in kept for side in looks[place].sides}
        return files, replace(spec, size=spec.size if sides == {spec.size} else None)

    def _facts(
        self, paths: list[str], root: str, reading: Reading, progress: Progress | None
    ) -> dict[str, Facts]:
        """Facts of files below a root: of headers, and of pixels where these are safe to decode."""
        inside = None if self.outside or not root else root
        headers = check_files(paths, reading.mode, inside=inside, hashes=False, progress=progress)
        facts = dict(headers.facts)
        safe = [path for path, one in facts.items() if not one.reason and not _is_bomb(one)]
        decoded = check_files(safe, reading.mode, decode=True, hashes=False, progress=progress)
        return {**facts, **decoded.facts}

    def _fault(
        self, row: ListedRow, one: Facts, spec: InputSpec, reading: Reading
    ) -> tuple[str, str] | None:
        """Kind and description of what is wrong with a file."""
        if one.reason.startswith(OUTSIDE):
            return "outside", row.says(one.reason)
        if _is_bomb(one) or one.reason.startswith(TOO_LARGE):
            size = f"{one.width} x {one.height} pixels" if one.width else one.reason
            return "bomb", row.says(size)
        if one.reason:
            kind = "missing" if one.size < 0 and not one.ends else "unreadable"
            return kind, row.says(one.reason)
        if reading.mode == "stored":
            told = one.channels, one.depth
            if told != (spec.channels, spec.dtype):
                reason = disagreement(told, (spec.channels, spec.dtype))
                return "unreadable", row.says(reason)
            if reading.scale is None and not (one.low >= 0 and one.high <= 1):
                reason = f"its floats go from {one.low:.4g} to {one.high:.4g}, not from 0 to 1"
                return "unreadable", row.says(reason)
        if min(one.width, one.height) < self.smallest:
            return "small", row.says(f"{one.width} x {one.height} pixels")
        return (one.flat, row.name) if one.flat else None


def _is_bomb(one: Facts) -> bool:
    from PIL import Image

    most = Image.MAX_IMAGE_PIXELS
    return most is not None and one.width * one.height > most

"""Pictures that are nearly the same as another of their caption, or as their parent."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from data_tools.bad_image import BadImageError
from data_tools.border import refuse
from data_tools.perceptual_hash import BITS, Hash, perceptual_hashing
from data_tools.registry import part_name
from data_tools.samples import ImageArray
from data_tools.synthetic_set import UNKNOWN
from supcon_ext.synthetic.filter import (
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)
from supcon_ext.synthetic.order import best_first

OF_CAPTION = "it is nearly another picture of its caption"
OF_PARENT = "it is nearly its parent"


@synthetic_filter("near_duplicates")
class NearDuplicates(SyntheticFilter):
    """Drops pictures that look like a better one of their caption, or like their parent.

    Pictures are compared by the perceptual hash of the package ``imagehash`` (64 bits of the low
    frequencies of the grey picture). Of those that are alike, the one of highest quality is kept.
    Pictures without a caption are compared within their class.

    Args:
        bits: Largest number of bits by which two pictures that are the same differ.
        against: ``caption``: other synthetic pictures of the caption; ``parent``: the real picture
            that it was made from; ``both``.
    """

    def __init__(
        self,
        bits: Annotated[int, Field(ge=0, le=63)] = BITS,
        against: Literal["caption", "parent", "both"] = "both",
    ) -> None:
        self.bits = bits
        self.against = against

    def judge(self, data: FilterInput) -> FilterVerdict:
        """A hash of each picture, and of each parent."""
        synthetic, name = data.synthetic, part_name("synthetic_filter", self)
        if synthetic.spec.kind != "image":
            raise refuse(name, "pictures", "vectors", "no such filter")
        hashed = _Hashes(synthetic.samples, "synthetic")
        like_parent = np.zeros(len(synthetic), dtype=bool)
        like_other = np.zeros(len(synthetic), dtype=bool)
        if self.against != "caption":
            parents = _Hashes(data.real.samples.samples, "real")
            for place in np.flatnonzero(synthetic.parent != UNKNOWN).tolist():
                differing = hashed[place] ^ parents[int(synthetic.parent[place])]
                like_parent[place] = differing.sum() <= self.bits
        if self.against != "parent":
            groups: dict[tuple[int, int], list[int]] = defaultdict(list)
            for place in best_first(synthetic).tolist():
                caption = int(synthetic.caption[place])
                label = int(synthetic.label[place]) if caption == UNKNOWN else UNKNOWN
                if not like_parent[place]:
                    groups[caption, label].append(place)
            for group in groups.values():
                like_other[group] = self._repeated(np.stack([hashed[place] for place in group]))
        return FilterVerdict.of(
            ~(like_parent | like_other), {OF_PARENT: like_parent, OF_CAPTION: like_other}
        )

    def _repeated(self, hashes: Hash) -> npt.NDArray[np.bool_]:
        """Which rows are near to one before that is not itself near to one before."""
        repeated = np.zeros(len(hashes), dtype=bool)
        kept = np.empty_like(hashes)
        count = 0
        for row, own in enumerate(hashes):
            if count and (kept[:count] ^ own).sum(1).min() <= self.bits:
                repeated[row] = True
            else:
                kept[count] = own
                count += 1
        return repeated


class _Hashes:
    """Perceptual hashes of pictures by their place, each made once."""

    def __init__(self, samples: Any, what: str) -> None:
        self._samples = samples
        self._what = what
        self._made: dict[int, Hash] = {}
        self._hashed = perceptual_hashing("no filter `near_duplicates`")

    def __getitem__(self, place: int) -> Hash:
        if place not in self._made:
            self._made[place] = self._hash(place)
        return self._made[place]

    def _hash(self, place: int) -> Hash:
        try:
            picture: ImageArray = self._samples[place]
        except BadImageError as error:
            raise ValueError(
                f"Expected {self._what} pictures that can be read, but got: {error} Try: the "
                "filter `readable` before `near_duplicates`."
            ) from error
        return self._hashed(picture)

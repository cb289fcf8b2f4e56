"""An order of synthetic samples that does not depend on how they are listed."""

from __future__ import annotations

import hashlib

import numpy as np

from data_tools.bad_image import BadImageError
from data_tools.samples import IntArray
from data_tools.synthetic_set import UNKNOWN, SyntheticSet


def best_first(synthetic: SyntheticSet) -> IntArray:
    """``(M,)`` int64 places by quality; equal ones by path, without paths by what they hold.

    Samples that are alike in all of this may stand in either order.
    """
    paths = synthetic.columns.get("path")
    if paths is None:
        texts = [_content(synthetic, place) for place in range(len(synthetic))]
    else:
        texts = [str(path) for path in paths]
    captions = synthetic.captions
    keys = [
        (
            -float(synthetic.quality[place]),
            text,
            int(synthetic.label[place]),
            "" if synthetic.caption[place] == UNKNOWN else captions[synthetic.caption[place]],
            int(synthetic.parent[place]),
        )
        for place, text in enumerate(texts)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def _content(synthetic: SyntheticSet, place: int) -> str:
    try:
        sample = np.asarray(synthetic[place])
    except BadImageError:
        return ""
    return hashlib.sha256(f"{sample.shape}{sample.dtype}".encode() + sample.tobytes()).hexdigest()

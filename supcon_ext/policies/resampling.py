"""Pictures made smaller and large again, so that their resolution does not tell their source."""

from __future__ import annotations

from supcon_ext.policies.pipeline import OneOf, Step, transform

SHARES = (0.25, 0.5)
"""Sides of the small picture: 64 or 128 of StableRep's 256 pixels."""


def down_and_up(probability: float) -> list[Step]:
    """Down to a quarter or half of the side and up again, at times (Tian et al. 2023, StableRep).

    Pictures of a generator lack the finest details of photographs, or have others, by which a
    network can tell the two apart.

    Args:
        probability: Of doing it; each of the two sizes has half of it.
    """
    if probability == 0:
        return []
    import cv2

    way = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_CUBIC}
    small = tuple(
        (transform("Downscale", scale_range=(share, share), interpolation_pair=way, p=1.0),)
        for share in SHARES
    )
    each = probability / len(small)
    return [OneOf(((), *small), (1 - probability, *[each] * len(small)))]

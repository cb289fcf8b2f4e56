"""The folder of pictures that the site's pages work on: digits, some of them in a wrong folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

NAMES = ("zero", "one", "two", "three")


def write_messy_folder(root: Path, each: int = 60, wrong: float = 0.2) -> None:
    """``my_images/<class>/*.png``, and ``new_images/*.png`` without labels.

    Args:
        root: Where both are made.
        each: Pictures of a class.
        wrong: Share of them that lies in another class's folder.
    """
    images, label = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        for place, pixels in enumerate(images[label == number][: each + 8]):
            flipped = random.random() < wrong
            other = NAMES[(number + random.integers(1, len(NAMES))) % len(NAMES)]
            folder = Path("my_images") / (other if flipped else name)
            folder = Path("new_images") if place >= each else folder
            path = root / folder / f"{name}_{place:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = cv2.resize(pixels.reshape(8, 8) * 15.9, (32, 32))
            cv2.imwrite(str(path), cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_GRAY2BGR))

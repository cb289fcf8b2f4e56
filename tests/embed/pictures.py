"""Small pictures that differ, in the kinds of place that can be embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tests.audit.coloured import recipe

CLASSES = ("a", "b", "c")


def draw(path: Path, number: int) -> None:
    """Write a picture of its own, 24 to 27 pixels wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    pixels = random.integers(0, 256, (26, 24 + number % 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def by_class(root: Path, per_class: int = 4, start: int = 0) -> list[Path]:
    """``root/<class>/<number>.png``, in the order of the data set."""
    paths = [root / name / f"{n}.png" for name in CLASSES for n in range(per_class)]
    for number, path in enumerate(paths):
        draw(path, start + number)
    return paths


def split(root: Path) -> list[Path]:
    """``root/train`` of three a class, and ``root/test`` of two."""
    return [*by_class(root / "train", 3), *by_class(root / "test", 2, start=100)]


def flat(root: Path, count: int = 5) -> list[Path]:
    """Pictures without classes."""
    paths = [root / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        draw(path, number)
    return paths


def manifest(root: Path) -> list[Path]:
    """``root/list.csv`` with all three splits and a column of its own."""
    paths = by_class(root / "pics", 4)
    where = ["train", "val", "test", "train"] * 3
    rows = [
        f"{path.relative_to(root)},{path.parent.name},{name},s{number}"
        for number, (path, name) in enumerate(zip(paths, where, strict=True))
    ]
    (root / "list.csv").write_text("\n".join(["path,label,split,scanner", *rows]) + "\n")
    return [
        path
        for wanted in ("train", "val", "test")
        for path, name in zip(paths, where, strict=True)
        if name == wanted
    ]


def digits_recipe(path: Path, **data: object) -> None:
    """A recipe of the digits at 16 pixels, with noise and imbalance that embedding leaves out."""
    made = recipe({"kind": "digits"})
    made["data"] |= {"noise": {"kind": "symmetric", "rate": 0.4}, **data}
    path.write_text(yaml.safe_dump(made))

"""Small pictures of any channels and depth whose channels carry the class, on the disk."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

CHANNELS = (1, 3, 4, 12)
DEPTHS = ("uint8", "uint16", "float32")
KINDS = ("image_folder", "manifest", "arrays")
TOP = {"uint8": 255, "uint16": 65535, "float32": 1}


def pictures(count: int, channels: int, depth: str, size: int = 12) -> tuple[np.ndarray, ...]:
    """Noise, with one channel brighter by the class; of one channel, brighter or not."""
    label = np.arange(count) % 2
    units = np.random.default_rng(channels).random((count, size, size, channels)) * 0.5
    for image, number in zip(units, label, strict=True):
        image[..., 0 if channels == 1 else number] += 0.35 if number or channels > 1 else 0.0
    pixels = units * TOP[depth]
    return (pixels if depth == "float32" else pixels.round()).astype(depth), label


def suffixes(channels: int, depth: str) -> tuple[str, ...]:
    """Formats that can hold such a picture."""
    return (".tif", ".npy", *([".png"] if depth != "float32" and channels in (1, 3, 4) else []))


def write_picture(path: Path, image: np.ndarray) -> None:
    """One picture, in the format that the suffix names; a TIFF in three layouts by turns."""
    channels = image.shape[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, image)
    elif path.suffix == ".png":
        order = [[0], [0], [2, 1, 0], [2, 1, 0, 3]][channels - 1]
        assert cv2.imwrite(str(path), image[:, :, order])
    elif channels == 1:
        tifffile.imwrite(path, image[:, :, 0], photometric="minisblack", metadata=None)
    else:
        layout = len(path.stem) % 3
        planes = image if layout == 0 else image.transpose(2, 0, 1)
        plan: dict[str, Any] = (
            {} if layout == 2 else {"planarconfig": ("contig", "separate")[layout]}
        )
        tifffile.imwrite(path, planes, photometric="minisblack", metadata=None, **plan)


def write_set(
    folder: Path, kind: str, channels: int, depth: str, count: int = 40
) -> dict[str, Any]:
    """A data set of a kind; gives what a recipe says of it."""
    pixels, label = pictures(count, channels, depth)
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "arrays":
        half = count // 2
        file = folder / "data.npz"
        np.savez(
            file,
            x_train=pixels[:half],
            y_train=label[:half],
            x_test=pixels[half:],
            y_test=label[half:],
        )
        return {"kind": "arrays", "file": str(file)}
    rows, endings = ["path,label,split"], suffixes(channels, depth)
    for number, (image, class_) in enumerate(zip(pixels, label, strict=True)):
        split = "train" if number < count // 2 else "test"
        ending = endings[number // 2 % len(endings)]
        name = f"{split}/class_{class_}/{'x' * (number % 3)}{number:02}{ending}"
        write_picture(folder / "pictures" / name, image)
        rows.append(f"pictures/{name},class_{class_},{split}")
    if kind == "image_folder":
        return {"kind": kind, "root": str(folder / "pictures"), "mode": "stored"}
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    return {"kind": kind, "file": str(folder / "table.csv"), "mode": "stored"}

"""Real sets of pictures on the disk, and synthetic ones beside them as each source reads them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from data_tools.datasets.image_folder import image_folder
from data_tools.prepared import PreparedData, prepare_data
from supcon_ext.synthetic.source import SyntheticSource, synthetic_source

CLASSES = ("cat", "dog")
SIDE = 12


def picture(seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def write_picture(path: Path, seed: int, side: int = SIDE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, side)).save(path)
    return path


def real_folder(top: Path, each: int = 8) -> Path:
    """Pictures of two classes, apart for training and test, of seeds from 1000 on."""
    seed = 1000
    for split in ("train", "test"):
        for name in CLASSES:
            for number in range(each):
                write_picture(top / split / name / f"{number}.png", seed)
                seed += 1
    return top


def real_data(top: Path, **settings: Any) -> PreparedData:
    """The folder as an experiment has it: a quarter of the training images is for validation."""
    source = image_folder(root=str(real_folder(top)))
    return prepare_data(source, **{"validation": 0.25, **settings})


def real_arrays(real: PreparedData) -> PreparedData:
    """The same data set, held in memory."""

    def held(part: Any) -> Any:
        if part is None:
            return None
        pixels = np.stack([part[place] for place in range(len(part))])
        return replace(part, samples=pixels, columns={}, origin=None)

    parts = {name: held(getattr(real, name)) for name in ("train", "validation", "test")}
    return replace(real, **parts)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        table = {name: [row.get(name) for row in rows] for name in names}
        pyarrow.parquet.write_table(pyarrow.table(table), path)
    else:
        with path.open("w", newline="") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, names, delimiter=delimiter, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return path


def source(kind: str, **parameters: Any) -> SyntheticSource:
    """A source as a recipe makes it."""
    made: SyntheticSource = synthetic_source.spec({"kind": kind, **parameters}).build()
    return made


class Listed:
    """Synthetic pictures in the layout of a source, six good ones to begin with.

    Args:
        kind: The source's.
        folder: Where to.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        folder.mkdir(parents=True)
        for number in range(6):
            caption, label = f"caption {number // 2}", CLASSES[number // 2 % 2]
            write_picture(self.place(f"good{number}.png", caption, label), number)

    def place(
        self, name: str, caption: str = "caption 0", label: str = "cat", **cells: Any
    ) -> Path:
        """Where a picture of this name belongs; it is listed with what is known of it."""
        if self.kind == "class_folders":
            path = self.folder / label / name
        elif self.kind == "caption_folders":
            path = self.folder / caption / name
        else:
            path = self.folder / name
            known = {"caption": caption, "class": label, "parent_id": "", "quality": ""}
            self.rows.append({"path": name, **known, **cells})
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def source(self, **parameters: Any) -> SyntheticSource:
        """The source that reads what is there now."""
        if self.kind == "manifest":
            write_table(self.folder / "m.csv", self.rows)
            return source("manifest", file=str(self.folder / "m.csv"), **parameters)
        if self.kind == "captions_csv":
            with (self.folder / "c.csv").open("w", newline="") as file:
                csv.writer(file).writerows([row["path"], row["caption"]] for row in self.rows)
            place = {"file": str(self.folder / "c.csv"), "roots": [str(self.folder)]}
            return source("captions_csv", **place, **parameters)
        return source(self.kind, root=str(self.folder), **parameters)


OF_IMAGES = ("manifest", "class_folders", "captions_csv", "caption_folders")
"""Sources whose samples are image files."""

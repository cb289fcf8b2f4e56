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

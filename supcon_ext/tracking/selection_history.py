"""The selections of a run: a table of numbers, and the newest selections themselves.

Both lie in the run folder, so that a resumed run goes on with them: what is of the epoch that is
selected now, or of a later one, was written after the checkpoint and is dropped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.whole_file import whole_file, write_whole

TABLE = Path("tables") / "selection.csv"
FOLDER = "selection"


@dataclass(frozen=True, eq=False)
class Selected:
    """One selection of N samples.

    Attributes:
        epoch: Epochs of the run that were done.
        selected: ``(N,)`` bool.
        label: ``(N,)`` int64 working labels.
        score: ``(N,)`` float32, larger for the more believed.
    """

    epoch: int
    selected: npt.NDArray[np.bool_]
    label: npt.NDArray[np.int64]
    score: npt.NDArray[np.floating[Any]]


class SelectionHistory:
    """Selections of a run, in files.

    Args:
        folder: The run folder.
        checkpoint_every: Epochs between checkpoints: how far back what is asked for may lie.
    """

    def __init__(self, folder: Path, checkpoint_every: int = 1) -> None:
        self.folder = folder
        self.checkpoint_every = checkpoint_every

    def before(self, epoch: int) -> Selected | None:
        """The newest selection of an earlier epoch; None where there is none."""
        earlier = [place for number, place in self._places() if number < epoch]
        return _read(earlier[-1]) if earlier else None

    @property
    def last(self) -> Selected | None:
        """The newest selection; None where there is none."""
        places = self._places()
        return _read(places[-1][1]) if places else None

    def add(self, made: Selected, stage: str, numbers: Mapping[str, float]) -> None:
        """Keep a selection in place of all of its epoch and of later ones.

        Args:
            made: The selection.
            stage: Name of the stage.
            numbers: The row of the table.
        """
        rows = [row for row in read_selections(self.folder) if row["epoch"] < made.epoch]
        rows.append({"stage": stage, "epoch": made.epoch, **numbers})
        text = io.StringIO()
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        table = self.folder / TABLE
        table.parent.mkdir(parents=True, exist_ok=True)
        write_whole(table, text.getvalue())
        for number, place in self._places():
            if number >= made.epoch:
                place.unlink()
        self._write(made)
        self._forget(made.epoch - self.checkpoint_every)

    def kept(self) -> tuple[str, list[Selected]]:
        """The table as text, and the selections that are kept, to make the files again."""
        table = self.folder / TABLE
        text = table.read_text(encoding="utf-8") if table.is_file() else ""
        return text, [_read(place) for _, place in self._places()]

    def restore(self, table: str, selections: Sequence[Selected]) -> None:
        """Write the files anew; without a row, none is left."""
        for place in (self.folder / FOLDER).glob("*.npz"):
            place.unlink()
        if table:
            (self.folder / TABLE).parent.mkdir(exist_ok=True)
            write_whole(self.folder / TABLE, table)
        else:
            (self.folder / TABLE).unlink(missing_ok=True)
        for made in selections:
            self._write(made)

    def _write(self, made: Selected) -> None:
        place = self.folder / FOLDER / f"epoch_{made.epoch:05d}.npz"
        place.parent.mkdir(exist_ok=True)
        with whole_file(place) as draft:
            np.savez(draft, selected=made.selected, label=made.label, score=made.score)

    def _forget(self, epoch: int) -> None:
        """Delete selections that no resumed run asks for: all but the newest before ``epoch``."""
        earlier = [place for number, place in self._places() if number < epoch]
        for place in earlier[:-1]:
            place.unlink()

    def _places(self) -> list[tuple[int, Path]]:
        places = (self.folder / FOLDER).glob("epoch_*.npz")
        numbered = [(place.stem.removeprefix("epoch_"), place) for place in places]
        return sorted((int(number), place) for number, place in numbered if number.isdecimal())


def read_selections(folder: Path) -> list[dict[str, Any]]:
    """The table of a run's selections: ``stage``, ``epoch`` and the numbers that a row has.

    Args:
        folder: The run folder; no rows where the run has selected nothing.
    """
    table = folder / TABLE
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return [
            {name: _cell(name, text) for name, text in row.items() if text}
            for row in csv.DictReader(file)
        ]


def _cell(name: str, text: str) -> Any:
    if name == "stage":
        return text
    return int(text) if name == "epoch" else float(text)


def _read(place: Path) -> Selected:
    with np.load(place, allow_pickle=False) as saved:
        epoch = int(place.stem.removeprefix("epoch_"))
        return Selected(epoch, saved["selected"], saved["label"], saved["score"])

"""Data named on the command line: whatever a user types for it, by one rule for every command."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from data_tools.datasets.base import NoTrainingSamplesError, Splits
from data_tools.image_check import Told
from data_tools.image_files import list_images
from data_tools.picture_reading import EIGHT_BIT_COLOUR, Reading
from data_tools.prepared import PreparedData
from data_tools.registry import family
from data_tools.source_check import CheckRules, LeftOut
from data_tools.tables import SUFFIXES as TABLES
from data_tools.tables import read_table
from data_tools.vector_file import read_vectors
from data_tools.vector_formats import FORMATS as VECTORS
from data_tools.vector_parquet import holds_vectors
from supcon_ext.experiment.build import build_data, left_out_of
from supcon_ext.experiment.checked_parts import source_of
from supcon_ext.experiment.folder import RECIPE, is_run, run_meanings
from supcon_ext.experiment.named_dataset import briefly, dataset_of, mapping_of
from supcon_ext.experiment.unlabelled import folder_pictures, table_pictures, vector_rows
from supcon_ext.meanings import Meaning, as_path, one_meaning
from supcon_ext.recipe.families import load_families
from supcon_ext.recipe.library import find_recipe, recipe_meanings
from supcon_ext.recipe.load import load_recipe
from supcon_ext.recipe.problems import RecipeError
from supcon_ext.recipe.schema import DataSection
from supcon_ext.tracking.results import read_results

FORMS = (
    f"a folder of pictures, a table ({', '.join(TABLES)}), a file of vectors "
    f"({', '.join(VECTORS)}), a recipe, a data set or a finished run"
)
SKIP_HINT = "`--skip-bad`"
_RECIPES = (".yaml", ".yml")


@dataclass(frozen=True)
class NamedData:
    """Data that a user named.

    Attributes:
        text: What was typed.
        what: What that is: ``a folder``, ``a table``, ``a file of vectors``, ``a recipe``, ``a data
            set`` or ``a run``.
        section: What a recipe says of such data.
        read: Reads them as they come.
        labelled: Whether labels are known.
        left_out: Images that a run left out.
    """

    text: str
    what: str
    section: DataSection
    read: Callable[[], Splits]
    labelled: bool = True
    left_out: LeftOut | None = None

    @property
    def said_whole(self) -> bool:
        """Whether its section was written by somebody, noise, imbalance and validation included."""
        return self.what in ("a recipe", "a run")

    @property
    def name(self) -> str:
        """A short name for it, for a folder or a line."""
        return self.section.dataset.kind if self.what == "a data set" else Path(self.text).stem

    @cached_property
    def source(self) -> Splits:
        """The data as they come, before noise and imbalance; their training set may be empty.

        Raises:
            ValueError: They are not as their section says.
            OSError: They cannot be read.
        """
        try:
            return self.read()
        except NoTrainingSamplesError as error:
            return error.source

    def training_data(self, progress: Told | None = None) -> PreparedData:
        """What training on it would see: of a recipe and a run with noise and imbalance.

        Args:
            progress: Told how far the check of files is.

        Raises:
            ValueError: They cannot be used.
            OSError: They cannot be read.
        """
        section = self.section
        if not len(self.source.train):
            self.read()  # says what is missing, and where
        if not self.said_whole:
            section = section.model_copy(update={"validation": 0.0})
        return build_data(section, given=self.source, left_out=self.left_out, progress=progress)

    def rules(self, skip_bad: bool = False) -> CheckRules:
        """What is looked for in the data.

        Args:
            skip_bad: Leave bad image files out, whatever the section says.
        """
        section = self.section
        return CheckRules(
            bad_images="skip" if skip_bad else section.bad_images,
            decode=section.decode,
            duplicates=section.duplicates,
            empty_classes=section.empty_classes if len(self.source.train) else "keep",
            skip_hint=SKIP_HINT,
        )


def named_data(
    text: str,
    overrides: Sequence[str] = (),
    *,
    reading: Reading = EIGHT_BIT_COLOUR,
    labels: bool = False,
) -> NamedData:
    """The data that a user named.

    It is a data set as a mapping, ``{kind: digits}``; a folder: of a finished run, or of pictures,
    by class or not; a file of vectors or a table, by its suffix; a recipe's file or the name of one
    that ships; a data set by the name of its kind; a run by its name. What could be several of them
    is told, by the rule of :func:`~supcon_ext.meanings.one_meaning`. A table of Parquet with a
    column of lists of floats holds vectors.

    Args:
        text: What was typed.
        overrides: ``KEY=VALUE`` beside a recipe.
        reading: How pictures of folders and tables are read; the others say so themselves.
        labels: Whether labels are needed. If not, folders without classes, tables without a column
            ``label`` and vectors without labels serve as well.

    Raises:
        ValueError: It is none of these, or several, is not as it should be, or stands beside
            overrides without being a recipe.
        OSError: It cannot be read.
    """
    load_families()
    if not text.strip():
        raise ValueError(f"Expected {FORMS}, but got an empty text.")
    found = _found(text, overrides, reading)
    if overrides and found.what != "a recipe":
        raise ValueError(
            f"Expected no KEY=VALUE beside {briefly(text)}, which is {found.what}, but got "
            f"{briefly(overrides[0])}. Try: a recipe, whose keys can be set"
        )
    if labels and not found.labelled:
        raise ValueError(
            f"Expected labels of {briefly(text)}, but it has none. Try: a folder with a folder for "
            "each class, or a table with columns path and label"
        )
    return found


def no_overrides(overrides: Sequence[str], option: str) -> None:
    """See that no ``KEY=VALUE`` stands where no data are named.

    Args:
        overrides: What was typed.
        option: What names data.

    Raises:
        ValueError: One does.
    """
    if overrides:
        raise ValueError(
            f"Expected {option} RECIPE beside KEY=VALUE, but got {briefly(overrides[0])} alone."
        )


def _found(text: str, overrides: Sequence[str], reading: Reading) -> NamedData:
    if text.lstrip().startswith("{"):
        return _data_set(text, mapping_of(text))
    found = one_meaning(text, _meanings(text, overrides, reading))
    if found is not None:
        return found.value()
    if os.path.exists(text):
        kind = "no regular file" if not os.path.isfile(text) else "a file of another kind"
        raise ValueError(f"Expected {FORMS}, but {briefly(text)} is {kind}.")
    hint = ""
    try:
        find_recipe(text)
    except RecipeError as error:
        hint = error.problems[0].suggestion
    raise ValueError(f"Expected {FORMS}, but there is none called {briefly(text)}. {hint}")


def _meanings(
    text: str, overrides: Sequence[str], reading: Reading
) -> list[Meaning[Callable[[], NamedData]]]:
    """All that a text can mean, each with what makes it the data."""
    path, suffix = Path(text), os.path.splitext(text)[1].lower()
    found: list[Meaning[Callable[[], NamedData]]] = []
    if suffix in (*VECTORS, *TABLES, *_RECIPES) and not os.path.isdir(text):
        # a path, whether there is such a file or not
        found.append(Meaning("file", as_path(text), partial(_file, text, overrides, reading)))
    elif os.path.isdir(text) and not is_run(path):
        found.append(Meaning("folder", as_path(text), partial(_folder, text, path, reading)))
    if text in family("dataset").names():
        made = partial(_data_set, text, text)
        found.append(Meaning("data set", f"{{kind: {text}}}", made))
    for run in run_meanings(text):
        found.append(Meaning(run.kind, run.said, partial(_run, text, run.value), run.whole))
    if suffix not in _RECIPES:
        for each in recipe_meanings(text):
            if each.said == as_path(text):
                continue  # a file that is not called as recipes are
            recipe = partial(_recipe, text, each.value, overrides)
            found.append(Meaning(each.kind, each.said, recipe, each.whole))
    return found


def _file(text: str, overrides: Sequence[str], reading: Reading) -> NamedData:
    path, suffix = Path(text), os.path.splitext(text)[1].lower()
    if suffix in _RECIPES:
        return _recipe(text, text, overrides)
    if suffix in VECTORS and (suffix not in TABLES or holds_vectors(path)):
        return _vectors(text, path)
    return _table(text, path, reading)


def _plain(
    text: str, what: str, dataset: Any, read: Callable[[], Splits], **more: Any
) -> NamedData:
    """Data of which no recipe says anything: taken as they come."""
    section = DataSection.model_validate({"dataset": dataset, "empty_classes": "keep", **more})
    return NamedData(text, what, section, read)


def _folder(text: str, path: Path, reading: Reading) -> NamedData:
    spec = {"root": text, "test": 0.0, "mode": reading.mode, "scale": reading.scale}
    dataset = family("dataset").spec({"kind": "image_folder", **spec})
    if _has_classes(path, reading):
        return _plain(text, "a folder", dataset, lambda: source_of(dataset))
    made = folder_pictures(path, reading)
    plain = _plain(text, "a folder", dataset, lambda: made, duplicates="ignore")
    return _unlabelled(plain)


def _has_classes(folder: Path, reading: Reading) -> bool:
    below = (child for child in folder.iterdir() if child.is_dir() and child.name[0] != ".")
    return any(list_images(child, reading.mode)[0] for child in below)


def _table(text: str, path: Path, reading: Reading) -> NamedData:
    spec = {"file": text, "mode": reading.mode, "scale": reading.scale}
    dataset = family("dataset").spec({"kind": "manifest", **spec})
    table = read_table(path, "data")
    table.require("path")
    if "label" in table.columns:
        return _plain(text, "a table", dataset, lambda: source_of(dataset))
    made = table_pictures(table, reading)
    return _unlabelled(_plain(text, "a table", dataset, lambda: made, duplicates="ignore"))


def _vectors(text: str, path: Path) -> NamedData:
    dataset = family("dataset").spec({"kind": "vectors", "file": text})
    found = read_vectors(path)
    if found.label is not None:
        return _plain(text, "a file of vectors", dataset, lambda: source_of(dataset))
    made = vector_rows(found)
    return _unlabelled(_plain(text, "a file of vectors", dataset, lambda: made))


def _unlabelled(data: NamedData) -> NamedData:
    return replace(data, labelled=False)


def _recipe(text: str, path: str | Path, overrides: Sequence[str]) -> NamedData:
    section = load_recipe(path, overrides).data
    return NamedData(text, "a recipe", section, lambda: source_of(section.dataset))


def _run(text: str, folder: Path) -> NamedData:
    read_results(folder)
    section = load_recipe(folder / RECIPE).data
    left_out = left_out_of(folder)
    return NamedData(text, "a run", section, lambda: source_of(section.dataset), left_out=left_out)


def _data_set(text: str, value: Any) -> NamedData:
    dataset = dataset_of(text, value)
    return _plain(text, "a data set", dataset, lambda: source_of(dataset))

"""A data set that a user names by its kind, alone or as ``{kind: NAME, parameter: value}``."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from data_tools.printable import printable
from data_tools.registry import Spec, family
from supcon_ext.recipe.reading import read_text


def mapping_of(text: str) -> Any:
    """The mapping.

    Raises:
        ValueError: It is none.
    """
    document = read_text(text)
    if document.faults or not isinstance(document.value, dict):
        said = document.faults[0].message if document.faults else ""
        raise ValueError(
            f"Expected a data set as {{kind: NAME, parameter: value}}, but got {briefly(text)}. "
            f"{said}".rstrip()
        )
    return document.value


def dataset_of(text: str, value: Any) -> Spec:
    """A data set by its kind and parameters.

    Raises:
        ValueError: There is none, or a parameter is wrong.
    """
    try:
        made: Spec = family("dataset").spec(value)
    except PydanticCustomError as error:  # a ValidationError is a ValueError
        raise ValueError(f"{error.message()}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"Expected another `{name}` of the data set {briefly(text)}: {first['msg']}. Try: "
            "supcon components dataset, which lists their parameters"
        ) from error
    return made


def briefly(text: str) -> str:
    """What a user typed, fit for a line."""
    shown = printable(text)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."

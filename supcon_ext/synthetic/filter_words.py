"""Filters as the command line names them: ``top_k:k=4,by=class``."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from supcon_ext.synthetic.filter import SyntheticFilter, synthetic_filter


def filter_of(words: str) -> SyntheticFilter:
    """The filter that a text names.

    Args:
        words: Its name; after a colon, parameters with their values, with commas between them.

    Raises:
        ValueError: There is no such filter, or it cannot have these parameters.
    """
    name, _, rest = words.partition(":")
    params: dict[str, Any] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ValueError(
                f"Expected NAME:parameter=value,parameter=value, but got `{words}`. "
                "Try: knn_agreement:k=10,at_least=0.6"
            )
        if key.strip() in params:
            raise ValueError(f"Expected `{key.strip()}` once in `{words}`, but got it twice.")
        params[key.strip()] = _value(value)
    try:
        made: SyntheticFilter = synthetic_filter.spec({**params, "kind": name.strip()}).build()
    except PydanticCustomError as error:
        raise ValueError(f"{error.message()}.") from error
    except ValidationError as error:
        told = "; ".join(_told(fault) for fault in error.errors())
        have = ", ".join(synthetic_filter.get(name.strip()).parameters.model_fields)
        raise ValueError(
            f"Expected parameters of filter `{name.strip()}` in `{words}`, but got {told}. "
            f"Try: {have}, see `supcon components synthetic_filter`."
        ) from error
    return made


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _told(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"no `{key}`"
    if fault["type"] == "extra_forbidden":
        return f"`{key}`, which it has not"
    return f"{key}={fault['input']} ({fault['msg'][0].lower()}{fault['msg'][1:]})"
